"""Files that come with the package, and how words name them."""

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.shipped import CONFIGS, GRIDS, HOME, SWEEPS, find_file, shipped_files


def test_no_two_shipped_configurations_have_one_stem():
    files = [path for folder in CONFIGS for path in (HOME / folder).glob("*.yaml")]
    assert sorted(shipped_files(CONFIGS).values()) == sorted(files)


@pytest.mark.parametrize(
    ("word", "folders", "path"),
    [
        ("tvsum", CONFIGS, "configs/tvsum.yaml"),
        ("no-captions", CONFIGS, "configs/ablations/no-captions.yaml"),
        ("tvsum", SWEEPS, "experiments/sweeps/tvsum.yaml"),
        ("ablations", GRIDS, "experiments/ablations.yaml"),
    ],
)
def test_a_stem_names_a_shipped_file_wherever_one_is(word, folders, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_file(word, folders) == HOME / path


def test_a_path_is_a_file_of_the_users_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tvsum.yaml").touch()
    for word in ("tvsum.yaml", "mine.yml"):
        assert str(find_file(word, CONFIGS)) == word


@pytest.mark.parametrize("word", ["tvsun", "configs/tvsum", "elsewhere/tvsum.yaml"])
def test_a_word_that_is_no_file_names_the_file_that_was_meant(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"^{word}: neither .*; did you mean tvsum\?$"):
        find_file(word, CONFIGS)
