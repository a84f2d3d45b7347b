"""Measure what our wrapper costs: ``python experiments/benchmark_encoders.py``; no weights are downloaded.

Models of the real size with random weights (ViT-B-32, or ``--model``), built by the libraries, saved to a temporary
folder and loaded by ``make_encoder``. Printed: seconds to load in a fresh process, frames per second of the model
alone on ready batches, and of ``encode_images`` from 8-bit frames of its size and of 720p. Both are timed in turn,
several times, and the median ratio is given; seconds are those of the processor, which other work on a shared machine
disturbs less. Set OMP_NUM_THREADS=1 to hold torch to one core.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.video.encoders import Encoder, make_encoder

_TOWERS = {"ViT-B-32": (768, 12, 12, 32), "tiny": (64, 2, 2, 32)}
_LOAD = """
import sys, time
started = time.perf_counter()
from clipit_lightning.video.encoders import make_encoder
make_encoder(sys.argv[1], device="cpu")
print(time.perf_counter() - started)
"""


def seconds(call: Callable[[], Any]) -> float:
    """Processor seconds of a call, of all threads."""
    started = time.process_time()
    call()
    return time.process_time() - started


def save_open_clip(folder: Path, size: str) -> str:
    """Save an open_clip model with random weights; its encoder's name."""
    import open_clip  # type: ignore[import-untyped]
    import safetensors.torch

    width, layers, heads, patch = _TOWERS[size]
    config = {
        "embed_dim": 512,
        "vision_cfg": {
            "image_size": 224,
            "layers": layers,
            "width": width,
            "head_width": width // heads,
            "patch_size": patch,
        },
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": layers},
    }
    folder.mkdir()
    (folder / "bench-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "bench-clip.json")
    weights = open_clip.create_model("bench-clip").state_dict()
    safetensors.torch.save_file(weights, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return f"open_clip:{folder}"


def save_transformers(folder: Path, size: str) -> str:
    """Save a CLIP of transformers with random weights; its encoder's name."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    width, layers, heads, patch = _TOWERS[size]
    letters = [f"{chr(each)}</w>" for each in range(97, 123)] + [chr(each) for each in range(97, 123)]
    pieces = [*letters, "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    tower = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    vision = tower | {"num_attention_heads": heads, "patch_size": patch}
    text = {"hidden_size": 512, "num_hidden_layers": layers, "vocab_size": len(tokenizer), **ends}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return f"hf:{folder}"


def alone(name: str, batch: int) -> Callable[[], Any]:
    """A call of the library's own model on one ready batch: what no wrapper can beat."""
    import torch

    pixels = torch.randn(batch, 3, 224, 224)
    if name.startswith("hf:"):
        from transformers import CLIPModel

        transformers_model: Any = CLIPModel.from_pretrained(name.removeprefix("hf:"))
        call = transformers_model.eval().get_image_features
    else:
        import open_clip

        call = open_clip.create_model(f"local-dir:{name.removeprefix('open_clip:')}").eval().encode_image

    def run() -> None:
        with torch.inference_mode():
            call(pixels)

    return run


def compare(encoder: Encoder, model: Callable[[], Any], frames: NDArray[np.uint8], repeats: int) -> None:
    """Print both rates and the median of their ratios, timed in turn."""
    encoder.encode_images(frames)
    model()
    pairs = [(seconds(model), seconds(lambda: encoder.encode_images(frames))) for _ in range(repeats)]
    ratio = median(a / b for a, b in pairs)
    rates = [len(frames) / median(each) for each in zip(*pairs, strict=True)]
    what = f"{encoder.name.partition(':')[0]:<10} {frames.shape[2]:>5} x {frames.shape[1]:<4}"
    print(f"{what} model alone {rates[0]:.1f}, encode_images {rates[1]:.1f} frames/s: {ratio:.1%}", flush=True)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(_TOWERS), default="ViT-B-32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    fitted, large = (
        rng.integers(0, 256, (chosen.batch, *size, 3), dtype=np.uint8) for size in ((224, 224), (720, 1280))
    )
    with tempfile.TemporaryDirectory() as folder:
        names = [save(Path(folder) / save.__name__, chosen.model) for save in (save_open_clip, save_transformers)]
        for name in [*names, "hsv"]:
            took = subprocess.run(
                [sys.executable, "-c", _LOAD, name], capture_output=True, text=True, check=True
            ).stdout
            print(f"{name.partition(':')[0]:<10} import and load in a fresh process: {float(took):.1f} s", flush=True)
        for name in names:
            encoder, model = make_encoder(name, device="cpu", batch_size=chosen.batch), alone(name, chosen.batch)
            for frames in (fitted, large):
                compare(encoder, model, frames, chosen.repeats)
    for frames in (fitted, large):
        taken = median(seconds(lambda frames=frames: make_encoder("hsv").encode_images(frames)) for _ in range(3))  # type: ignore[misc]
        print(f"hsv        {frames.shape[2]:>5} x {frames.shape[1]:<4} {len(frames) / taken:.1f} frames/s")


if __name__ == "__main__":
    main()
