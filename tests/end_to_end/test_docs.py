"""README and docs: blocks of code run in order, on the miniature and on files made here; what cannot run is parsed.

``REWRITE=1 python -m pytest tests/end_to_end/test_docs.py -k notebook`` writes into it what the notebook prints.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

import h5py
import nbformat
import pytest
from nbclient import NotebookClient
from sybil import Document
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from typer.main import get_command

from clipit_lightning.cli.main import app, main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.data import BENCHMARKS
from tests.support.synthetic import write_field_file
from tests.support.videos import write_video

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
README, NOTEBOOK = REPOSITORY / "README.md", REPOSITORY / "docs/quickstart.ipynb"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
SKIPPED = 18  # blocks that cannot run here, or not soon: a page that adds one says why, and this number grows


@pytest.fixture
def workplace(tmp_path, monkeypatch, distributed_files):
    """A working directory with two videos and the files of benchmarks, one of which is called cooking."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # where the hub answers, too
    for name in ("holiday", "talk"):
        write_video(tmp_path / f"{name}.mp4", n_frames=150)
    shutil.copytree(distributed_files, tmp_path / "downloads")
    with h5py.File(write_field_file(tmp_path / "downloads/eccv16_dataset_cooking_hsv.h5", 4)) as file:
        summaries = {key: group["user_summary"][:].tolist() for key, group in file.items()}
    (tmp_path / "downloads/cooking_summaries.json").write_text(json.dumps(summaries))
    yield tmp_path
    BENCHMARKS.pop("cooking", None)
    for module in ("my_module", "cooking"):
        sys.modules.pop(module, None)


def commands(example):
    """The words of every command of a block."""
    lines = example.parsed.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_commands(example):
    for program, *words in commands(example):
        assert program == "clipit", f"{program}: only clipit runs here; skip the block, and say why"
        assert main(words) == 0, words


def run_python(example):
    """Run a block, or save it, below a comment that names a file."""
    before = example.document.text[: example.region.start]
    if file := re.search(r"<!-- file: (\S+) -->\n$", before):
        Path(file[1]).write_text(example.parsed)
    else:
        PythonEvaluator()(example)


def blocks(page):
    parsers = (CodeBlockParser("sh", run_commands), CodeBlockParser("python", run_python), SkipParser())
    return list(Document.parse(str(page), *parsers))


def check_commands(example):
    """Parse what cannot run: options and keys of clipit, targets and variables of make."""
    for words in commands(example):
        if words[0] == "make":
            subprocess.run(
                ["make", "--dry-run", "--directory", REPOSITORY, *words[1:]], check=True, capture_output=True
            )
        elif words[0] == "sbatch":
            script, *rest = [word for word in words[1:] if not word.startswith("--array")]
            assert (REPOSITORY / script).is_file()
            parse(["prepare", *rest] if "prepare" in script else ["train", *rest])
        elif words[0] in ("clipit", "torchrun"):
            parse(words[max(words.index(name) for name in ("clipit", "clipit_lightning") if name in words) + 1 :])
        else:
            assert words[0] == "source"


def parse(words):
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, list(words))
    if name == "train":
        load_config([word for word in words if "=" not in word], [word for word in words if "=" in word])


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_every_block_runs(page, workplace):
    for example in [*(blocks(README) if page.stem == "quickstart" else []), *blocks(page)]:  # which trains the same run
        try:
            example.evaluate()
        except SkipTest:
            check_commands(example)


def test_few_blocks_are_skipped_and_all_are_of_a_language_that_is_checked():
    text = "".join(page.read_text() for page in PAGES)
    assert len(re.findall(r"<!-- skip: next \".+\" -->\n```sh\n", text)) == text.count("<!-- skip:") == SKIPPED
    assert set(re.findall(r"^ *```(.+)", text, re.MULTILINE)) == {"sh", "python", "text"}


def test_the_readme_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 1300


def printed_numbers(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert {output.output_type for output in outputs} == {"stream", "execute_result", "display_data"}
    return [float(word) for output in outputs for word in re.findall(r"-?\d+\.\d+", output.get("text", ""))]


def test_the_notebook_runs_and_shows_what_it_prints(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    shown = notebook if os.environ.get("REWRITE") else nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, record_timing=False, resources=where).execute()
    if os.environ.get("REWRITE"):
        nbformat.write(notebook, NOTEBOOK)
    assert printed_numbers(notebook) == pytest.approx(printed_numbers(shown), abs=0.02)  # another processor's rounding
