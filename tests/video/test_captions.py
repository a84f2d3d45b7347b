import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from transformers import AutoProcessor

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.captioner import CHAT_PROMPT, load_captioner
from clipit_lightning.video.captions import Captions, frames_to_caption, read_captions
from tests.support.tiny_models import blip_model, clip_model, clip_tokenizer, llava_model, vit_gpt2_model

pytestmark = pytest.mark.slow


def one_line(error, *parts):
    assert "\n" not in str(error.value)
    assert all(part in str(error.value) for part in parts), error.value


def noise(frames=5, height=48, width=90):
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


# --- a model's captions


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blip")
    return blip_model(folder), folder


def test_blip_captions_equal_the_library_one_by_one(blip):
    model, folder = blip
    ours = load_captioner(str(folder), device="cpu", batch_size=2, max_new_tokens=6).caption(noise())
    processor = AutoProcessor.from_pretrained(folder)
    own = []
    for frame in noise():
        inputs = processor(images=Image.fromarray(frame), return_tensors="pt")
        tokens = model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=6)[0]
        own.append(" ".join(processor.decode(tokens, skip_special_tokens=True).split()))
    assert ours == own
    assert len(set(ours)) > 1  # else a mix-up of frames would not show
    assert all(ours)


def test_a_model_without_a_common_processor_writes_captions(tmp_path):
    model = vit_gpt2_model(tmp_path)
    ours = load_captioner(f"hf:{tmp_path}", batch_size=3, max_new_tokens=4).caption(noise())
    from transformers import ViTImageProcessor

    pixels = ViTImageProcessor.from_pretrained(tmp_path)(list(noise()), return_tensors="pt")
    own = model.generate(**pixels, do_sample=False, num_beams=1, max_new_tokens=4)
    assert ours == [" ".join(clip_tokenizer().decode(each, skip_special_tokens=True).split()) for each in own]


def test_a_chat_model_is_asked_and_its_prompt_is_not_part_of_the_caption(tmp_path):
    llava_model(tmp_path)
    captioner = load_captioner(str(tmp_path), batch_size=2, max_new_tokens=3, prompt="say zzzz")
    captions = captioner.caption(noise())
    assert "say zzzz" in captioner.settings
    assert all(0 < len(each.replace("</w>", "")) <= 6 for each in captions)  # three tokens of at most two letters
    other = load_captioner(str(tmp_path), max_new_tokens=3)
    assert CHAT_PROMPT in other.settings
    assert other.key(noise()[0]) != captioner.key(noise()[0])


def test_captions_are_kept_and_a_second_run_does_not_compute(blip, tmp_path):
    first = load_captioner(str(blip[1]), max_new_tokens=4, cache=tmp_path)
    captions = first.caption(noise())
    loaded = load_captioner(str(blip[1]), max_new_tokens=4, cache=tmp_path)
    again = replace(loaded, generate=lambda frames: pytest.fail("computed again"))
    assert again.caption(noise()[::-1]) == captions[::-1]
    assert len(list(tmp_path.rglob("*.json"))) == 5


def test_the_key_changes_with_weights_settings_and_pixels(blip, tmp_path):
    blip_model(tmp_path, seed=1)
    frame = noise()[0]
    changed = frame.copy()
    changed[3, 4, 1] ^= 1
    one = load_captioner(str(blip[1]), max_new_tokens=4)
    keys = [
        one.key(frame),
        one.key(changed),
        one.key(frame.reshape(90, 48, 3)),
        load_captioner(str(blip[1]), max_new_tokens=5).key(frame),
        load_captioner(str(blip[1]), max_new_tokens=4, prompt="a").key(frame),
        load_captioner(str(blip[1]), max_new_tokens=4, precision="bf16").key(frame),
        load_captioner(str(tmp_path), max_new_tokens=4).key(frame),
    ]
    assert len(set(keys)) == len(keys)
    assert one.key(frame) == load_captioner(str(blip[1]), max_new_tokens=4, batch_size=1).key(frame)


@pytest.mark.parametrize("damage", ["", "[]", '{"key": "other", "caption": "a"}'])
def test_a_damaged_entry_is_computed_and_written_again(blip, tmp_path, damage):
    captioner = load_captioner(str(blip[1]), max_new_tokens=4, cache=tmp_path)
    captions = captioner.caption(noise())
    entry = sorted(tmp_path.rglob("*.json"))[0]
    whole = entry.read_bytes()
    entry.write_bytes(damage.encode("latin-1"))
    assert captioner.caption(noise()) == captions
    assert entry.read_bytes() == whole


def test_what_writes_no_captions_is_refused(tmp_path):
    clip_model(tmp_path / "clip")
    blip_model(tmp_path / "blip")
    weights = tmp_path / "blip/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    for name, part in [
        (str(tmp_path / "clip"), "a clip model writes no text"),
        (str(tmp_path / "blip"), "cut short or damaged"),
        (str(tmp_path), "no config.json"),
        ("/no/such", "no such file or folder"),
    ]:
        with pytest.raises(UserError) as error:
            load_captioner(name)
        one_line(error, part)
    with pytest.raises(UserError, match="max_new_tokens 0"):
        load_captioner(str(tmp_path), max_new_tokens=0)


# --- which frames


def shots_of(*lengths):
    ends = np.cumsum(lengths)
    return np.stack([ends - lengths, ends - 1], axis=1)


def test_the_middles_of_evenly_spread_shots():
    shots, picks = shots_of(*[30] * 10), np.arange(0, 300, 3)  # ten steps a shot
    assert frames_to_caption(shots, picks, 10).tolist() == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]
    assert frames_to_caption(shots, picks, 2).tolist() == [25, 75]
    assert frames_to_caption(shots, picks, 1).tolist() == [55]
    assert frames_to_caption(shots, picks, 5).tolist() == [15, 35, 55, 75, 95]
    assert frames_to_caption(np.empty((0, 2), int), np.arange(10), 2).tolist() == [2, 7]  # no shot holds a step
    assert frames_to_caption(shots_of(5), np.empty(0, int), 3).tolist() == []


def test_with_few_shots_the_longer_ones_get_more():
    shots, picks = shots_of(60, 10, 30), np.arange(100)
    chosen = frames_to_caption(shots, picks, 7)
    assert np.bincount(np.searchsorted([60, 70], chosen, side="right")).tolist() == [4, 1, 2]
    assert chosen.tolist() == [7, 22, 37, 52, 65, 77, 92]


@pytest.mark.parametrize("seed", range(5))
def test_any_shots_give_as_many_different_steps_as_asked(seed):
    rng = np.random.default_rng(seed)
    shots = shots_of(*rng.integers(1, 90, size=rng.integers(1, 12)))
    picks = np.arange(0, shots[-1, 1] + 1, rng.integers(1, 40))
    shot_of = np.searchsorted(shots[:, 1], picks)  # (steps,)
    for count in (1, 3, 7, 40):
        chosen = frames_to_caption(shots, picks, count)
        assert len(chosen) == min(count, len(picks))
        assert (np.diff(chosen) > 0).all()
        assert chosen.min() >= 0
        # no shot twice while another has none
        assert len(np.unique(shot_of[chosen])) == min(count, len(np.unique(shot_of)))


# --- a user's captions


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


ENTRIES = [{"time": 12.5, "text": " a dog\nruns "}, {"start": 3, "end": 4.5, "text": "a cat"}]
READ = Captions(("a cat", "a dog runs"), (3.0, 12.5), (4.5, 12.5))


@pytest.mark.parametrize("content", [ENTRIES, {"captions": ENTRIES, "by": "me"}])
def test_json_captions_in_both_forms(tmp_path, content):
    assert read_captions(written(tmp_path / "a.json", json.dumps(content))) == READ
    assert read_captions(written(tmp_path / "b.JSON", "\ufeff" + json.dumps(content))) == READ


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[\n{"time": 1, "text": "a"},\n{"time" 2}\n]', ["line 3", "not JSON"]),
        ("[" * 100_000, ["not JSON"]),
        ('{"texts": []}', ["should be a list"]),
        ("[]", ["holds no caption"]),
        ('[{"time": 1, "text": "a"}, {"time": 1}]', ["caption 2 has no text"]),
        ('[{"text": "a"}]', ["caption 1", "time is None"]),
        ('[{"time": "1:30", "text": "a"}]', ["caption 1", "'1:30'", "seconds"]),
        ('[{"time": -1, "text": "a"}]', ["caption 1", "-1"]),
        ('[{"start": 2, "end": 1, "text": "a"}]', ["caption 1 ends (1) before it starts (2)"]),
    ],
)
def test_damaged_json_names_the_place(tmp_path, text, parts):
    with pytest.raises(UserError) as error:
        read_captions(written(tmp_path / "a.json", text))
    one_line(error, "a.json", *parts)


SRT = """1
00:00:01,000 --> 00:00:02,500
Hello <i>there</i>,
{\\an8}General &amp; co.

2
00:01:00,5 --> 01:00:01.25 X1:40 X2:600
42 dogs --> one cat
"""
TOLD = Captions(("Hello there, General & co.", "42 dogs --> one cat"), (1.0, 60.5), (2.5, 3601.25))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_srt_as_files_come(tmp_path, newline, encoding):
    assert read_captions(written(tmp_path / "a.srt", SRT.replace("\n", newline), encoding)) == TOLD


def test_latin_1_where_it_is_not_utf_8(tmp_path):
    file = tmp_path / "a.srt"
    file.write_bytes(SRT.replace("Hello", "Café\x85 là").encode("latin-1"))  # 0x85: no end of a line, an ellipsis
    assert read_captions(file).texts[0].startswith("Café")
    assert len(read_captions(file).texts) == 2


def test_srt_with_faults_that_players_forgive(tmp_path):
    text = (
        "0:0:01,0 --> 0:0:02,0\nno number\n7\n0:0:03,0 --> 0:0:04,0\nno empty line before\n\n"
        "text after an empty line\n\n\n\n9\n00:00:02,000 --> 00:00:06,000\noverlaps\n\n"
        "10\n00:00:08,000 --> 00:00:09,000\n\n11\n00:00:10,000 --> 00:00:11,000\nborn in\n1984"
    )
    captions = read_captions(written(tmp_path / "a.srt", text))
    assert captions.texts == ("no number", "overlaps", "no empty line before text after an empty line", "born in 1984")
    assert captions.starts == (1, 2, 3, 10)
    assert captions.ends == (2, 6, 4, 11)


VTT = """WEBVTT - a title
X-TIMESTAMP-MAP=LOCAL:00:00:00.000

STYLE
::cue { color: red }

NOTE a comment
of two lines

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>Hello <c.red>there</c>,
<00:00:02.000>General &amp; co.

second name
00:01:00.500 --> 01:00:01.250
42 dogs
1984

NOTE
the end

01:00:02.000 --> 01:00:03.000

"""


def test_vtt_with_all_that_is_no_text(tmp_path):
    captions = read_captions(written(tmp_path / "a.vtt", "\ufeff" + VTT))
    assert captions == Captions(("Hello there, General & co.", "42 dogs 1984"), (1.0, 60.5), (2.5, 3601.25))


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("a.srt", "1\n00:00:01,000 --> 00:00:0x,000\na\n", ["line 2", "not a time line"]),
        ("a.srt", SRT + "\n3\n00:00:05,000 --", ["line 11", "not a time line"]),
        ("a.srt", "1\n00:00:05,000 --> 00:00:04,000\na\n", ["line 2", "ends before it starts"]),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n<b></b>\n", ["holds no caption"]),
        ("a.srt", "\x00\x01\x02", ["not a text file"]),
        ("a.vtt", SRT, ["line 1", "WEBVTT"]),
        ("a.vtt", VTT.replace("01:00:01.250", "later"), ["line 16", "not a time line"]),
        ("a.txt", SRT, ["from .txt", ".srt"]),
    ],
)
def test_damaged_subtitles_name_the_line(tmp_path, name, text, parts):
    with pytest.raises(UserError) as error:
        read_captions(written(tmp_path / name, text))
    one_line(error, name, *parts)
    with pytest.raises(UserError, match=r"cannot read .*none.srt"):
        read_captions(tmp_path / "none.srt")
