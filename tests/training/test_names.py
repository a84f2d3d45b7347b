import re
from dataclasses import replace
from pathlib import Path

import pytest

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.shipped import CONFIGS, shipped_files
from clipit_lightning.evaluation.presets import apply_preset
from clipit_lightning.training.names import run_folder, run_names, variant
from clipit_lightning.training.run import Run
from tests.support.results import result

FILES = shipped_files(CONFIGS)
SETTINGS = ("tvsum", "summe", "qfvs", "s-videoxum", "s-newsvsum", "mrhisum", "mosu")
PROTOCOL = result().protocol


def resolved(stems, *words):
    return apply_preset(load_config([FILES[stem] for stem in stems.split()], words))


def named(stems, *words, data="real"):
    config = resolved(stems, *words)
    setting = {"dataset": config.data.dataset, "setting": config.data.setting}
    return run_names(config, replace(PROTOCOL, data=data, **setting))


@pytest.mark.parametrize(
    ("stems", "words", "name"),
    [
        ("tvsum", "", "clip-it+-tvsum-seed0"),
        ("qfvs", "seed=3 data.fold=2", "clip-it+-qfvs-seed3-fold2"),
        ("summe no-captions", "", "clip-it+-summe-no-captions-seed0"),
        ("tvsum mlp", "", "mlp-tvsum-seed0"),
        ("tvsum", "model.name=mlp", "mlp-tvsum-width-64-lr-0.002-seed0"),
        ("tvsum unsupervised paper", "", "clip-it-tvsum-unsupervised-paper-seed0"),
        ("tvsum unsupervised", "optim.epochs=1", "clip-it+-tvsum-unsupervised-epochs-1-seed0"),
        ("", "data.dataset=summe", "clip-it+-summe-defaults-seed0"),
        (
            "summe",
            "data.dataset=tvsum data.setting=transfer data.sources=[summe,ovp]",
            "clip-it+-tvsum-transfer-summe-settings-sources-summe+ovp-seed0",
        ),
        ("tvsum", "protocol.preset=csta", "clip-it+-tvsum-preset-csta-seed0"),
        ("tvsum", "protocol.correlation=all-frames", "clip-it+-tvsum-protocol.correlation-all-frames-seed0"),
        ("tvsum", "data.family=/a/my(1).json model.name=a.b:My", "My-tvsum-family-my_1_-seed0"),
        ("tvsum", "trainer.accelerator=cpu trainer.devices=2 output=x data.root=y", "clip-it+-tvsum-seed0"),
    ],
)
def test_a_name_says_in_words_what_is_not_as_shipped(stems, words, name):
    assert named(stems, *words.split())[0] == name


def test_the_miniature_and_the_setting_are_named():
    words = ("data.setting=transfer",)
    assert named("tvsum unsupervised", *words, data="mini")[0] == "clip-it+-tvsum-transfer-unsupervised-mini-seed0"


@pytest.mark.parametrize("stem", sorted(set(FILES) - set(SETTINGS)))
def test_every_shipped_overlay_is_a_word_or_the_scorer(stem):
    words = variant(resolved(f"tvsum {stem}"))
    assert words in ([stem], [])
    assert words or named(f"tvsum {stem}")[0].startswith(f"{stem}-tvsum")


def test_a_hash_stands_for_many_keys():
    many = ["optim.lr=0.1", "optim.clip=2", "optim.ema=0", "optim.warmup=0.1", "model.windows=[3,7]"]
    plain, hashed = named("tvsum no-captions", *many)
    assert re.fullmatch(r"clip-it\+-tvsum-no-captions-[0-9a-f]{8}-seed0", plain)
    assert re.fullmatch(rf"{re.escape(plain.removesuffix('-seed0'))}-[0-9a-f]{{8}}-seed0", hashed)
    assert plain != named("tvsum no-captions", *many, "optim.epochs=3")[0]
    long = named("tvsum", f"data.family={'x' * 300}.json", f"model.name=a:{'X' * 300}")[1]
    assert len(long) < 150


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Begin runs in a folder of their own: where each lies."""
    monkeypatch.chdir(tmp_path)

    def start(*words, **protocol):
        config, protocol = resolved("tvsum", *words), replace(PROTOCOL, **protocol)
        run = run_folder(config, protocol)
        run.open(config, protocol)
        return run.path

    return start


def test_the_same_command_meets_its_own_folder_and_another_run_of_that_name_has_a_hash(started):
    plain = started()
    assert plain == Path("runs/clip-it+-tvsum-seed0")
    other = started(data_hash="other")
    assert re.fullmatch(r"runs/clip-it\+-tvsum-[0-9a-f]{8}-seed0", str(other))
    # Two that one word does not tell apart.
    near = started("optim.lr=0.12345678")
    nearer = started("optim.lr=0.12345679")
    assert near.name == "clip-it+-tvsum-lr-0.123457-seed0"
    assert nearer.name.startswith("clip-it+-tvsum-lr-0.123457-")
    assert len({plain, other, near, nearer}) == 4
    assert [started(), started(data_hash="other"), started("optim.lr=0.12345679")] == [plain, other, nearer]
    assert started("overwrite=true", data_hash="other") == other
    assert Run(plain).protocol() == PROTOCOL


def test_the_device_is_no_part_of_what_makes_two_runs_differ(started):
    folder = started("trainer.accelerator=cpu")
    assert started("trainer.accelerator=auto", "trainer.devices=2", "trainer.progress=false") == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
