"""CLIP models of open_clip: by model and tag, from a weights file, or from a folder."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import pretrained
from clipit_lightning.video.clip import Backbone
from clipit_lightning.video.preprocess import Interpolation, Mode, Preprocessing

_WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".npz")
_LOCAL = "a local copy as `open_clip:MODEL//path/to/pretrained.safetensors` or `open_clip:/path/to/folder`"


def load_open_clip(name: str) -> Backbone:
    """Load what stands behind ``open_clip:``; ``encoders.py`` lists the forms.

    A tag's activation is used even where the model's configuration names another (open_clip only warns, and
    ``ViT-B-32/openai`` is then computed with the wrong one).

    Raises:
        UserError: No such model, tag, file or folder; weights damaged, of another model, or not to be had.
    """
    import open_clip  # type: ignore[import-untyped]

    wanted = name.removeprefix("open_clip:")
    if wanted.startswith("hf-hub:"):
        return pretrained.from_cache_or_hub(name, partial(_build, wanted), _LOCAL)
    if pretrained.looks_like_path(wanted):
        folder = pretrained.existing_path(name, wanted)
        if not (folder / "open_clip_config.json").is_file():
            raise UserError(f"{name}: {folder} has no open_clip_config.json; with the weights alone, name {_LOCAL}")
        _weights_in(name, folder)
        return pretrained.from_disk(name, folder, partial(_build, f"local-dir:{folder}"))
    model, _, tag = wanted.partition("/")
    if model not in (known := open_clip.list_models()):
        near = get_close_matches(model, known, n=4, cutoff=0.5) or known[:4]
        raise UserError(f"{name}: open_clip has no model {model}; near it: {', '.join(near)}; it has {len(known)}")
    if "/" in tag or tag.endswith(_WEIGHT_FILES):
        path = pretrained.existing_path(name, tag)
        return _from_file(name, model, _weights_in(name, path) if path.is_dir() else path)
    config: dict[str, Any] = open_clip.get_pretrained_cfg(model, tag) if tag else {}
    if not config:
        known = open_clip.list_pretrained_tags_by_model(model)
        near = get_close_matches(tag, known, n=4, cutoff=0.3) or known[:4]
        tags = f"such as {', '.join(near)}" if near else "of which open_clip knows none"
        raise UserError(f"{name}: {model} needs pretrained weights: a tag, {tags}, or {_LOCAL}")
    return pretrained.from_cache_or_hub(name, partial(_from_tag, model, config), _LOCAL)


def _from_file(name: str, model: str, file: Path) -> Backbone:
    """Weights from a file; the tokenizer of some models (SigLIP) comes from the cache or the hub even so."""
    import open_clip

    load = partial(_build, model, pretrained=str(file), force_preprocess_cfg=usual_preprocessing(model))
    text = open_clip.get_model_config(model)["text_cfg"]
    if text.get("hf_tokenizer_name") or text.get("hf_model_name"):
        return pretrained.from_cache_or_hub(name, load, _LOCAL)
    return pretrained.from_disk(name, file, load)


def _from_tag(model: str, config: dict[str, Any]) -> Backbone:
    import open_clip

    return _build(
        model,
        pretrained=open_clip.download_pretrained(config),
        force_preprocess_cfg=config,
        force_quick_gelu=bool(config.get("quick_gelu")),
    )


def _build(model_name: str, **options: Any) -> Backbone:  # noqa: ANN401 - open_clip's own options
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2  # type: ignore[import-untyped]
    from PIL import Image

    model = open_clip.create_model(model_name, require_pretrained=True, weights_only=True, **options)
    tokenizer = open_clip.get_tokenizer(model_name)
    config = PreprocessCfg(**model.visual.preprocess_cfg)
    simple = config.resize_mode in ("shortest", "squash") and len(set(config.input_size[1:])) == 1
    mean, std = tuple(config.mean), tuple(config.std)
    preprocessing = Preprocessing(0, "native", mean, std)
    if simple:
        kind: Interpolation = "bilinear" if config.interpolation == "bilinear" else "bicubic"
        mode: Mode = "squash" if config.resize_mode == "squash" else "crop"
        preprocessing = Preprocessing(config.input_size[-1], mode, mean, std, interpolation=kind)
    own = image_transform_v2(config, is_train=False)  # through Pillow: slow, for models of no square size
    return Backbone(
        model,
        preprocessing,
        image_features=lambda images: model.encode_image(images),
        tokenize=lambda texts: {"tokens": tokenizer(texts)},
        text_features=lambda tokens: model.encode_text(tokens),
        libraries=("open_clip_torch", "torch"),
        transform=None if simple else lambda frames: {"images": torch.stack([own(Image.fromarray(f)) for f in frames])},
    )


def _weights_in(name: str, folder: Path) -> Path:
    """The weights file of a folder: open_clip's own name first, else the only one, .safetensors first."""
    if not folder.is_dir():
        raise UserError(f"{name}: {folder} is a file; name its model too: {_LOCAL}")
    files = sorted(file for file in folder.iterdir() if file.suffix in _WEIGHT_FILES)
    safe = [file for file in files if file.suffix == ".safetensors"]
    own = [file for file in safe + files if file.stem in ("open_clip_model", "open_clip_pytorch_model")]
    for choice in (own[:1], safe, files):
        if len(choice) == 1:
            return choice[0]
    held = ", ".join(file.name for file in files) or "none"
    raise UserError(f"{name}: {folder} should hold one weights file ({', '.join(_WEIGHT_FILES)}), it holds {held}")


def usual_preprocessing(model: str) -> dict[str, Any]:
    """The preprocessing of a model's tags where they agree, for weights without one; open_clip's default else."""
    import open_clip

    configs = [open_clip.get_pretrained_cfg(model, tag) for tag in open_clip.list_pretrained_tags_by_model(model)]
    keys = ("mean", "std", "interpolation", "resize_mode")
    usual = {tuple(config.get(key) for key in keys) for config in configs}
    return dict(zip(keys, usual.pop(), strict=True)) if len(usual) == 1 else {}
