from pathlib import Path

import pytest

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash, describe_keys, differences, load_config, save_config
from clipit_lightning.core.errors import UserError

FOLDER = Path(__file__).parents[2] / "configs"


def test_files_in_order_then_words_win(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\noptim: {lr: 0.1, epochs: 3}\n")
    (tmp_path / "b.yaml").write_text("optim: {lr: 0.2}\n")
    config = load_config([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["seed=5"])
    assert (config.seed, config.optim.lr, config.optim.epochs) == (5, 0.2, 3)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_file_loads(path):
    assert isinstance(load_config([path]), Config)


def test_a_saved_configuration_is_a_valid_argument(tmp_path):
    config = load_config([], ["optim.lr=3e-4", "data.setting=transfer", "data.sources=[summe]", "data.root=x y"])
    save_config(config, tmp_path / "config.yaml")
    assert load_config([tmp_path / "config.yaml"]) == config


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data.datset=tvsum", "data.datset: no such key; did you mean data.dataset?"),
        ("nonsense=1", "nonsense: no such key"),
        ("data.setting=all", 'data.setting: is "all"; it must be one of canonical, augmented, transfer'),
        ("model.windows=[4]", "model.windows: is [4]; it must be a list of whole numbers, odd, at least 1"),
        ("seed=abc", 'seed: is "abc"; it must be a whole number, at least 0, at most 4294967295'),
        ("seed", "seed: neither a YAML file nor key=value"),
        ("=3", "=3: neither"),
        ("seed=[", "seed=[: the value cannot be read"),
        ("data=3", "data: no such key; did you mean data.dataset?"),
        ("data.root=${nowhere}", "data.root=${nowhere}: the value cannot be read"),
        ("data.fold=5", "data.fold: is 5; there are folds 0 to 4"),
        ("data.sources=[summe]", "data.sources: the canonical setting has none"),
        ("model.heads=7", "model.heads: is 7; it must divide model.width=64"),
        ("model.language_heads=7", "model.language_heads: is 7; it must divide model.width=64"),
        ("model.dropout=nan", "model.dropout: is nan"),
        ("optim.lr=inf", "optim.lr: is inf"),
        ("protocol.budget=1.5", "protocol.budget: is 1.5"),
        ("data.setting=transfer data.fold=1", "data.fold: is 1; there are folds 0 to 0"),
        ("data.setting=transfer data.sources=[tvsum]", "data.sources: tvsum is the target"),
        (
            "loss.keyframe=0 loss.correlation=0 loss.diversity=0 loss.reconstruction=0 loss.length=0",
            "loss: all",
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_key_as_typed(words, said):
    with pytest.raises(UserError) as caught:
        load_config([], words.split())
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_words_that_yaml_takes_for_truth_values_are_words():
    assert load_config([], ["logger.wandb=off"]).logger.wandb == "off"
    assert load_config([], ["overwrite=true"]).overwrite is True


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("optim: {lrr: 1}", r"bad\.yaml: optim\.lrr: no such key"),
        ("optim.lr: 1", r"bad\.yaml: 'optim\.lr': no such key; did you mean optim\.lr"),
        ("seed: 1\noptim: [", r"bad\.yaml: not a YAML file that can be read \(line 2: "),
        ("- 1", "holds a list"),
    ],
)
def test_a_mistake_in_a_file_names_the_file(content, said, tmp_path):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(UserError, match=said):
        load_config([tmp_path / "bad.yaml"])


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such configuration file"):
        load_config([tmp_path / "none.yaml"])


def test_every_key_has_its_default_what_it_takes_and_a_sentence():
    rows = describe_keys()
    assert ("optim.lr", str(Config().optim.lr), "a number, above 0", "Peak learning rate.") in rows
    assert all(sentence.endswith((".", ").")) for *_, sentence in rows)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", "ba7b475a"),
        ("tvsum", "fe3d5e3c"),
        ("qfvs", "c6b61a2f"),
        ("tvsum clip-it", "00b65311"),
        ("summe unsupervised", "9cec4514"),
    ],
)
def test_hashes_of_kept_results_stay(names, expected):
    assert config_hash(load_config([FOLDER / f"{name}.yaml" for name in names.split()])) == expected


def test_the_hash_is_of_what_a_result_depends_on():
    base = load_config()
    for word in ("seed=3", "data.fold=1", "output=x", "logger.wandb=offline", "trainer.progress=false", "data.root=y"):
        assert config_hash(load_config([], [word])) == config_hash(base), word
    for word in (
        "optim.lr=0.5",
        "optim.name=adam",
        "model.activation=relu",
        "data.fold_seed=1",
        "selection=last",
        "trainer.precision=bf16-mixed",
    ):
        assert config_hash(load_config([], [word])) != config_hash(base), word


def test_differences_name_keys_and_both_values():
    assert differences(load_config(), load_config([], ["optim.epochs=7"])) == [
        f"optim.epochs: {Config().optim.epochs}, now 7"
    ]
