"""The examples in docstrings: each prints what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

from clipit_lightning.data.mini import ensure_mini

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where examples find the miniature below ``data/mini``."""
    path = tmp_path_factory.mktemp("examples")
    ensure_mini(path / "data" / "mini")
    return path


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0, "see standard output"
