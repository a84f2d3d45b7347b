"""What our wrapper of image encoders costs, on models of the real size (ViT-B-32) with random weights."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipit_lightning.video.encoders import Encoder, make_encoder
from clipit_lightning.video.preprocess import fit, normalise
from experiments.bench.runner import Call, Options, Table, command

FRAMES, LETTERS = 32, [chr(code) for code in range(97, 123)]
LOAD = "from clipit_lightning.video.encoders import make_encoder; make_encoder('{}', device='cpu')"


def tables(options: Options) -> Iterator[Table]:
    """Each model alone on ready pixels, which no wrapper can beat, and by ``encode_images``; then loading.

    No weights are downloaded: the libraries make the models, and save them to a temporary folder.
    """
    with TemporaryDirectory() as folder:
        models = dict((open_clip_model(Path(folder) / "open_clip.pt"), transformers_model(Path(folder) / "clip")))
        for name, model in models.items():
            encoder = make_encoder(name, device="cpu", batch_size=FRAMES)
            for frames in (noise(224, 224), noise(720, 1280)):
                title = f"encoding, {name.partition(':')[0]}, {FRAMES} frames of {frames.shape[2]} x {frames.shape[1]}"
                ours = partial(encoder.encode_images, frames)
                yield Table(title, {"model alone": alone(model, encoder, frames), "ours": ours}, tolerance=1e-4)
        sizes = {f"{frames.shape[2]} x {frames.shape[1]}": frames for frames in (noise(224, 224), noise(720, 1280))}
        hsv = make_encoder("hsv").encode_images
        yield Table(f"encoding, hsv, {FRAMES} frames", {size: partial(hsv, frames) for size, frames in sizes.items()})
        loads = {name.partition(":")[0]: command("-c", LOAD.format(name)) for name in ("hsv", *models)}
        yield Table("import and load of encoders", loads)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    """Frames, (frames, height, width, 3)."""
    return np.random.default_rng(0).integers(0, 256, (FRAMES, height, width, 3), dtype=np.uint8)


def alone(model: Any, encoder: Encoder, frames: NDArray[np.uint8]) -> Call:  # noqa: ANN401
    """A call of the library's own model on frames that are preprocessed before; features, (frames, features)."""
    pixels = normalise(fit(frames, encoder.preprocessing), encoder.preprocessing)  # (frames, 3, 224, 224)
    encode = getattr(model.eval(), "encode_image", None) or model.get_image_features

    @torch.inference_mode()
    def run() -> Tensor:
        features = encode(pixels)
        return nn.functional.normalize(getattr(features, "pooler_output", features), dim=1)

    return run


def open_clip_model(path: Path) -> tuple[str, Any]:
    """Name of an encoder of open_clip, and its model."""
    import open_clip  # type: ignore[import-untyped]

    model = open_clip.create_model("ViT-B-32")
    torch.save(model.state_dict(), path)
    return f"open_clip:ViT-B-32/{path}", model


def transformers_model(folder: Path) -> tuple[str, Any]:
    """Name of an encoder of transformers, and its model."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    model = CLIPModel(CLIPConfig())  # whose defaults are ViT-B-32
    model.save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return f"hf:{folder}", model
