"""Small models with random weights, built and saved by the libraries themselves, for tests of the real loading code."""

import json
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import safetensors.torch
import torch
import transformers as hf

OPEN_CLIP = "tiny-clip"
SIZE = 32
"""Side of the images of all models here, pixels."""

_SQUARE = {"height": SIZE, "width": SIZE}
_TOWER: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_VISION = _TOWER | {"image_size": SIZE, "patch_size": 8}
_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": SIZE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
_PREPROCESSING = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear", "resize_mode": "squash"}


def seeded(model: torch.nn.Module, seed: int = 0) -> Any:
    """Give every weight a random value, large enough that different inputs come out well apart."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        spread = 0.3 if weight.ndim > 1 else 0.1
        weight.data = torch.randn(weight.shape, generator=generator) * spread + float("norm" in name or "ln_" in name)
    return model.eval()


def open_clip_model(folder: Path, seed: int = 0) -> tuple[torch.nn.Module, Path]:
    """Register the small model with open_clip as ``tiny-clip``; the model and its weights as a .pt file."""
    import open_clip  # type: ignore[import-untyped]  # takes seconds

    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{OPEN_CLIP}.json").write_text(json.dumps(_CONFIG))
    open_clip.add_model_config(folder / f"{OPEN_CLIP}.json")
    model = seeded(open_clip.create_model(OPEN_CLIP), seed)
    torch.save(model.state_dict(), folder / "weights.pt")
    return model, folder / "weights.pt"


def open_clip_folder(folder: Path, seed: int = 0, preprocessing: dict[str, Any] | None = None) -> Any:
    """A folder as open_clip keeps on the hub, with a preprocessing unlike the default."""
    model, file = open_clip_model(folder / "elsewhere", seed)
    safetensors.torch.save_file(torch.load(file), folder / "open_clip_model.safetensors")
    config = {"model_cfg": _CONFIG, "preprocess_cfg": preprocessing or _PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return model


def clip_tokenizer() -> hf.CLIPTokenizer:
    """Letters, and one merge, so that merges are used."""
    pieces = [*ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase), "ca"]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges: Any = [("c", "a")]
    return hf.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=16)


def _text(tokenizer, **more):
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    tokens = {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in names}
    return _TOWER | {"max_position_embeddings": 16} | tokens | more


def gemma_tokenizer() -> hf.Siglip2Tokenizer:
    """Written down as SigLIP 2's; SigLIP's own is a sentencepiece file."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *ascii_lowercase]
    return hf.Siglip2Tokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=16)


def clip_model(folder: Path, seed: int = 0) -> Any:
    """CLIP of transformers, saved with its processor."""
    tokenizer = clip_tokenizer()
    config = hf.CLIPConfig(text_config=_text(tokenizer), vision_config=_VISION, projection_dim=24)
    images = hf.CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size=_SQUARE)
    return _saved(folder, seed, hf.CLIPModel(config), hf.CLIPProcessor(image_processor=images, tokenizer=tokenizer))


def siglip_model(folder: Path, seed: int = 0) -> Any:
    """SigLIP of transformers, which squashes images and pads texts to their full length."""
    tokenizer, images = gemma_tokenizer(), hf.SiglipImageProcessor(size=_SQUARE)
    config = hf.SiglipConfig(text_config=_text(tokenizer, projection_size=32), vision_config=_VISION)
    return _saved(folder, seed, hf.SiglipModel(config), hf.SiglipProcessor(image_processor=images, tokenizer=tokenizer))


def naflex_model(folder: Path, seed: int = 0) -> Any:
    """SigLIP 2 NaFlex, which takes images of any shape as a list of patches."""
    tokenizer, images = gemma_tokenizer(), hf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
    vision = _TOWER | {"num_patches": 16, "patch_size": 8}
    model = hf.Siglip2Model(hf.Siglip2Config(text_config=_text(tokenizer, projection_size=32), vision_config=vision))
    return _saved(folder, seed, model, hf.Siglip2Processor(image_processor=images, tokenizer=tokenizer))


def blip_model(folder: Path, seed: int = 0) -> Any:
    """BLIP, which writes captions; its tokenizer is CLIP's here."""
    tokenizer, images = clip_tokenizer(), hf.BlipImageProcessor(size=_SQUARE)
    text = _text(tokenizer, max_position_embeddings=64, encoder_hidden_size=32, sep_token_id=tokenizer.eos_token_id)
    model = hf.BlipForConditionalGeneration(hf.BlipConfig(text_config=text, vision_config=_VISION))
    return _saved(folder, seed, model, hf.BlipProcessor(image_processor=images, tokenizer=tokenizer))


def vit_gpt2_model(folder: Path, seed: int = 0) -> Any:
    """A ViT and a GPT-2 in one, saved as its authors do: an image processor and a tokenizer, no processor."""
    tokenizer = clip_tokenizer()
    vision = hf.ViTConfig(**_VISION)
    text = hf.GPT2Config(
        vocab_size=len(tokenizer), n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=1
    )
    config: Any = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(vision, text)
    config.decoder.eos_token_id = tokenizer.eos_token_id
    model = hf.VisionEncoderDecoderModel(config)
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = tokenizer.bos_token_id
        settings.eos_token_id, settings.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    hf.ViTImageProcessor(size=_SQUARE).save_pretrained(folder)
    return _saved(folder, seed, model, tokenizer)


def llava_model(folder: Path, seed: int = 0) -> Any:
    """LLaVA, which is talked to: its processor has a chat template."""
    tokenizer = clip_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    image: Any = tokenizer.convert_tokens_to_ids("<image>")
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**_VISION, projection_dim=32),
        text_config=hf.LlamaConfig(**_text(tokenizer, max_position_embeddings=2048)),
        image_token_index=image,
        vision_feature_layer=-1,
    )
    images = hf.CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size=_SQUARE)
    template = (
        "{% for turn in messages %}{% for part in turn['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    processor = hf.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    return _saved(folder, seed, hf.LlavaForConditionalGeneration(config), processor)


def wav2vec2_model(folder: Path, seed: int = 0) -> Any:
    """wav2vec2, saved without what only its training needs, as those are that were tuned further."""
    config = hf.Wav2Vec2Config(
        **_TOWER,
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(10, 8),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        num_feat_extract_layers=2,
    )
    model = _saved(folder, seed, hf.Wav2Vec2Model(config), hf.Wav2Vec2FeatureExtractor())
    weights = {name: weight for name, weight in model.state_dict().items() if name != "masked_spec_embed"}
    model.save_pretrained(folder, state_dict=weights)
    return model


def ast_model(folder: Path, seed: int = 0) -> Any:
    """The audio spectrogram transformer, which takes 1.28 seconds here."""
    config = hf.ASTConfig(**_TOWER, patch_size=8, frequency_stride=8, time_stride=8, max_length=128, num_mel_bins=16)
    return _saved(folder, seed, hf.ASTModel(config), hf.ASTFeatureExtractor(num_mel_bins=16, max_length=128))


def whisper_model(folder: Path, seed: int = 0) -> Any:
    """Whisper, of which the encoder hears, two seconds at a time here."""
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_source_positions": 100}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    config = hf.WhisperConfig(vocab_size=8, num_mel_bins=16, **sizes, **tokens)
    return _saved(folder, seed, hf.WhisperModel(config), hf.WhisperFeatureExtractor(feature_size=16, chunk_length=2))


def _saved(folder, seed, model, processor):
    seeded(model, seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model
