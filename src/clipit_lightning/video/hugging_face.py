"""CLIP-like models of transformers (CLIP, SigLIP, SigLIP 2, ...): by name on the hub or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import pretrained
from clipit_lightning.video.clip import Backbone
from clipit_lightning.video.preprocess import Interpolation, Preprocessing

if TYPE_CHECKING:
    import torch

_LOCAL = "a local folder as `hf:/path/to/folder`"
_INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}  # by Pillow's numbers, as in the files
T = TypeVar("T")


def load_transformers(name: str) -> Backbone:
    """Load what stands behind ``hf:``: a name on the hub, a folder, or a weights file in its folder.

    Raises:
        UserError: No such model, or none of images and text; weights damaged, of another one, or not to be had.
    """
    return load(name, partial(_build, name), _LOCAL)


def load(name: str, build: Callable[..., T], instead: str) -> T:
    """Load from a folder or file here, by the form of the name or because there is one; else from cache or hub.

    ``build`` is called with the folder or the name on the hub, and options of ``load_model``; ``instead`` is how to
    name a local copy, for messages.

    Raises:
        UserError: There is no such model here, or it does not load.
    """
    wanted = name.removeprefix("hf:")
    if not (pretrained.looks_like_path(wanted) or Path(wanted).exists()):
        return pretrained.from_cache_or_hub(name, partial(build, wanted), instead)
    path = pretrained.existing_path(name, wanted)
    folder = path if path.is_dir() else path.parent
    if not (folder / "config.json").is_file():
        raise UserError(f"{name}: {folder} has no config.json; transformers needs the folder of a saved model")
    options: dict[str, Any] = {}
    if path.name == "pytorch_model.bin":
        options = {"use_safetensors": False}
    elif path.is_file() and path.suffix != ".safetensors":
        raise UserError(f"{name}: {path.name} should be model.safetensors, pytorch_model.bin or another .safetensors")
    elif path.is_file() and path.name != "model.safetensors":
        options = {"weights_file": path.name}
    return pretrained.from_disk(name, folder, partial(build, str(folder), **options))


def load_model(
    name: str,
    auto_class: Any,  # noqa: ANN401 - transformers' own
    wanted: str,
    weights_file: str | None = None,
    changes: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Load a model of transformers whole: a weight that the file lacks would be random, so it is a UserError.

    ``changes`` are values for settings of the model's configuration, where it has them.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(wanted)
    config.transformers_weights = weights_file
    config.update({name: value for name, value in (changes or {}).items() if hasattr(config, name)})
    model, report = auto_class.from_pretrained(wanted, config=config, output_loading_info=True, **options)
    if absent := sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"])):
        raise UserError(
            f"{name}: the weights lack {len(absent)} that {type(model).__name__} needs, such as {absent[0]}; they are "
            "of another architecture or cut short"
        )
    return model


def _build(name: str, wanted: str, **options: Any) -> Backbone:  # noqa: ANN401 - transformers' own options
    import torch
    from transformers import AutoModel, AutoProcessor

    model = load_model(name, AutoModel, wanted, dtype=torch.float32, **options)
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise UserError(f"{name}: {type(model).__name__} is not a model of images and text, as CLIP and SigLIP are")
    processor = AutoProcessor.from_pretrained(wanted)  # type: ignore[no-untyped-call]
    if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
        raise UserError(f"{name}: its image processor or its tokenizer is missing; copy the whole folder")
    preprocessing = preprocessing_of(processor.image_processor)

    def own(frames: NDArray[np.uint8]) -> dict[str, torch.Tensor]:  # images of any shape (SigLIP 2 NaFlex), or padded
        return dict(processor.image_processor(list(frames), input_data_format="channels_last", return_tensors="pt"))

    return Backbone(
        model,
        preprocessing,
        image_features=lambda images=None, **own: _pooled(
            model.get_image_features(**(own if images is None else {"pixel_values": images}))
        ),
        tokenize=partial(_tokens, processor.tokenizer, model.config),
        text_features=lambda **tokens: _pooled(model.get_text_features(**tokens)),
        libraries=("transformers", "torch"),
        transform=own if preprocessing.mode == "native" else None,
    )


def preprocessing_of(processor: Any) -> Preprocessing:  # noqa: ANN401 - any image processor of transformers
    """Read it from an image processor; one that does more than resize, crop and normalise makes it ``native``."""
    mean, std = tuple(processor.image_mean), tuple(processor.image_std)
    sizes = {key: value for key, value in dict(processor.size or {}).items() if value}
    cropped = bool(getattr(processor, "do_center_crop", False))
    crop = dict(processor.crop_size) if cropped else {}
    side = sizes.get("shortest_edge") or sizes.get("height") or 0
    size = crop.get("height", 0) if cropped else side
    squash = sizes == {"height": side, "width": side}
    interpolation = _INTERPOLATIONS.get(processor.resample)
    usual = (
        all(getattr(processor, name, False) for name in ("do_resize", "do_rescale", "do_normalize"))
        and not getattr(processor, "do_pad", False)
        and (squash or (cropped and sizes == {"shortest_edge": side}))
        and (not cropped or crop.get("width") == size)
        and 0 < size <= side
    )
    if not usual or interpolation is None:
        return Preprocessing(0, "native", mean, std)
    return Preprocessing(
        size,
        "squash" if squash else "crop",
        mean,
        std,
        resize_to=side if side > size else 0,
        interpolation=interpolation,
        scale=float(processor.rescale_factor),
        crop_rounds=False,
    )


def _pooled(output: Any) -> torch.Tensor:  # noqa: ANN401 - an output object, a tensor in older versions
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


def _tokens(tokenizer: Any, config: Any, texts: list[str]) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """Tokens as the model was trained: SigLIP always with its full length of padding, and no mask for it."""
    length = getattr(config.text_config, "max_position_embeddings", None) or tokenizer.model_max_length
    siglip = config.model_type.startswith("siglip")
    tokens = tokenizer(
        texts,
        padding="max_length" if siglip else True,
        truncation=True,
        max_length=length,
        return_tensors="pt",
        return_attention_mask=not siglip,
    )
    return dict(tokens)
