"""What a model hears around each step, compared with its description written out step by step."""

import itertools
import math

import numpy as np
import pytest
import torch
import transformers as hf

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.video.audio_model import load_audio_model
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import extract_features
from clipit_lightning.video.streams import chosen_streams
from tests.support.tiny_models import ast_model, clip_model, wav2vec2_model, whisper_model
from tests.support.videos import sound, write_video

RATE = 16_000
PCM = {"codec": "ffv1", "audio": "pcm_s16le", "sample_rate": RATE}
LENGTHS = {wav2vec2_model: 0, ast_model: 1.28, whisper_model: 2}
SIZES = {wav2vec2_model: 32, ast_model: 32, whisper_model: 16}


def heard(folder, path, **sampling):
    made = extract_features(path, make_encoder("hsv"), streams=(load_audio_model(str(folder), "cpu"),), **sampling)
    return made.streams["audio"], np.append(made.frame_times[made.picks], made.info.duration)


def naive(folder, whole, fixed, borders):
    """The columns of each step of sound, mono at 16 kHz from time 0, by libraries alone."""
    extractor, model = hf.AutoFeatureExtractor.from_pretrained(folder), hf.AutoModel.from_pretrained(folder).eval()
    model = model.encoder if model.config.model_type == "whisper" else model
    rows = []
    for begin, end in itertools.pairwise(borders):
        count = max(1, math.ceil((end - begin) / (fixed or 10) - 1e-6))
        means = []
        for part in range(count):
            low, high = (begin + (end - begin) * at / count for at in (part, part + 1))
            length = round((fixed or max(1, math.ceil(high - low - 1e-6))) * RATE)
            first = round((low + high) / 2 * RATE) - length // 2
            positions = np.arange(first, first + length)
            if round(low * RATE) < len(whole):
                inside = (positions >= 0) & (positions < len(whole))
                cut = np.where(inside, whole[positions.clip(0, len(whole) - 1)], 0).astype(np.float32)
                inputs = extractor(cut, sampling_rate=RATE, return_tensors="pt")
                with torch.no_grad():
                    means.append(model(**inputs).last_hidden_state[0].mean(0).numpy())
        mean = np.mean(means, axis=0) if means else None
        rows.append([*(mean / np.linalg.norm(mean)), 1] if means else None)
    return [row or [0] * len(next(filter(None, rows))) for row in rows]


@pytest.mark.parametrize("make", LENGTHS)
@pytest.mark.parametrize(
    ("n_frames", "options", "sampling"),
    [
        (60, {}, {}),
        (60, {"audio_seconds": 1.03, "layout": "stereo"}, {"rate": 4.0}),
        (54, {"fps": 2}, {"stride": 25}),
    ],
    ids=["mono", "sound is shorter", "long steps"],
)
def test_columns_are_those_of_the_description(tmp_path, make, n_frames, options, sampling):
    make(tmp_path / "model")
    path = write_video(tmp_path / "a.mkv", n_frames, **PCM | options)
    columns, borders = heard(tmp_path / "model", path, **sampling)
    assert (columns.shape, columns.dtype) == ((len(borders) - 1, SIZES[make] + 1), np.float32)
    whole = (sound(options.get("audio_seconds", n_frames / options.get("fps", 25)), RATE) * 32768).round() / 32768
    np.testing.assert_allclose(columns, naive(tmp_path / "model", whole, LENGTHS[make], borders), atol=1e-5)
    assert len(np.unique(columns[columns[:, -1] == 1], axis=0)) > 1
    np.testing.assert_array_equal(heard(tmp_path / "model", path, **sampling)[0], columns)


def test_without_sound_all_is_missing(tmp_path):
    wav2vec2_model(tmp_path / "model")
    columns, _ = heard(tmp_path / "model", write_video(tmp_path / "none.mp4", 50, audio=None))
    assert columns.shape == (4, 33)
    assert not columns.any()


def test_provenance_says_which_model_heard_what(tmp_path):
    for folder, make in (("one", wav2vec2_model), ("two", ast_model)):
        make(tmp_path / folder)
    one, two = (load_audio_model(str(tmp_path / folder), "cpu").provenance() for folder in ("one", "two"))
    assert one["audio"] == "audio-model-1: mean of the last hidden states over 1 to 10 s at 16000 Hz, unit norm"
    assert "over 1.28 s at 16000 Hz" in two["audio"]
    assert one["audio_model"] == str(tmp_path / "one")
    assert "transformers" in one["audio_libraries"]
    again, other = tmp_path / "again", tmp_path / "other"
    wav2vec2_model(again)
    wav2vec2_model(other, seed=1)
    marks = [load_audio_model(str(folder), "cpu").fingerprint for folder in (again, other)]
    assert marks[0] == one["audio_weights_sha256"] != marks[1]


def test_what_is_no_model_of_sound_is_one_line(tmp_path):
    clip_model(tmp_path / "clip")
    wav2vec2_model(tmp_path / "cut")
    weights = tmp_path / "cut/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    wav2vec2_model(tmp_path / "eyes")
    (tmp_path / "eyes/preprocessor_config.json").unlink()
    clap = {"text_config": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9}}
    hf.ClapModel(hf.ClapConfig(**clap)).save_pretrained(tmp_path / "clap")
    hf.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "clap")
    for name, problem in {
        "absent": "no such file or folder",
        "clip": "cannot be loaded",
        "cut": "cut short or damaged",
        "eyes": "cannot be loaded",
        "clap": "ClapModel gives no hidden states of sound (",
    }.items():
        with pytest.raises(UserError) as error:
            load_audio_model(str(tmp_path / name), "cpu")
        assert problem in str(error.value), (name, str(error.value))
        assert "\n" not in str(error.value)


def test_streams_are_chosen_by_name():
    assert chosen_streams("motion, audio:facebook/wav2vec2-base") == ("audio:facebook/wav2vec2-base", "motion")
    assert chosen_streams(["audio", "audio"]) == ("audio",)
    for names, problem in {
        "audio:": r"no stream 'audio:'; there are audio, motion, and audio:MODEL",
        "motion:a/b": "no stream 'motion:a/b'",
        "audio,audio:a/b": "audio and audio:a/b are both of sound; give one of them",
    }.items():
        with pytest.raises(ArgumentError, match=problem):
            chosen_streams(names)
