"""Killed, or told that the disk is full, at any operation by which it changes files, a command loses nothing.

A sample of faults is drawn; with ``CRASH=all`` each operation kills once and fails once, for an hour a command.
"""

import errno
import os
import random
import re
import shutil
from collections import Counter

import pandas as pd
import pytest
import torch
import yaml

from clipit_lightning.data.importing import import_distributed
from tests.support.commands import QUICK
from tests.support.crash import COMPILER, Server
from tests.support.synthetic import write_field_file
from tests.support.videos import write_video

pytestmark = [pytest.mark.distributed, pytest.mark.skipif(COMPILER is None, reason="no C compiler here")]
DRAWN = {"train": 4, "prepare": 4, "import": 4, "summarize": 3, "benchmark": 1, "sweep": 2}
"""How many faults of each command are drawn."""
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO)


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Each command on tiny inputs; what it writes lies where it is started."""
    source = tmp_path_factory.mktemp("inputs")
    files, stores, videos = source / "files", source / "stores", source / "videos"
    write_field_file(files / "eccv16_dataset_summe_google_pool5.h5", 3, data="synthetic")
    write_field_file(source / "six/eccv16_dataset_summe_google_pool5.h5", 6, data="synthetic")
    import_distributed([source / "six"], stores)
    videos.mkdir()
    for number, name in enumerate(("a", "b")):
        write_video(videos / f"{name}.mp4", 40, first=60 * number, audio=None)
    keys = {"optim.epochs": 1, "trainer.accelerator": "cpu", "data.folds": 2, "data.root": str(stores)}
    grid = {
        "seeds": [0],
        "runs": [{"set": {**keys, "data.dataset": "summe", "data.fold": 0}}],
        "scorers": {name: {"set": {"model.name": name}} for name in ("linear", "random")},
        "candidate": "random",
    }
    (source / "grid.yaml").write_text(yaml.safe_dump(grid))
    fixed = ["model.name=mlp", "data.fold=0", *(f"{key}={value}" for key, value in keys.items())]
    search = {
        "method": "random",
        "metric": {"name": "validation/kendall_tau", "goal": "maximize"},
        "command": ["${env}", "clipit", "train", "summe", *fixed, "${args_no_hyphens}"],
        "parameters": {"optim.lr": {"distribution": "uniform", "min": 0.01, "max": 1.0}},
    }
    (source / "search.yaml").write_text(yaml.safe_dump(search))
    return {
        "train": ["train", "summe", *QUICK, "model.name=mlp", "data.fold=0", f"data.root={stores}", "output=runs/one"],
        "prepare": ["prepare", f"{videos}", "--to", "data/mine.h5", "--encoder", "hsv"],
        "import": ["data", "import", f"{files}", "--to", "data"],
        "summarize": ["summarize", f"{videos}/a.mp4", "--to", "summary", "--encoder", "hsv"],
        "benchmark": ["benchmark", f"{source}/grid.yaml", "--to", "runs", "--workers", "1", "--leaderboard", "b.csv"],
        "sweep": ["sweep", f"{source}/search.yaml", "--to", "search", "--trials", "1"],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


def content(path):
    """What a file holds that does not depend on times, or on how often the command was started."""
    if path.suffix == ".ckpt":
        checkpoint = torch.load(path, weights_only=True)
        weights = {name: weight.tolist() for name, weight in checkpoint["state_dict"].items()}
        return checkpoint["epoch"], checkpoint["validation"], weights
    if path.name in ("trials.csv", "benchmark.csv", "b.csv"):
        table = pd.read_csv(path).drop(columns=["trial", "seconds", "minutes"], errors="ignore")
        return table.sort_values(table.columns[0]).to_csv()
    if path.suffix in (".png", ".db", ".txt", ".md"):
        return None
    without = re.compile(rb'"wall_seconds": [0-9.]+|# Trial [0-9]+')
    return without.sub(b"", path.read_bytes())


def contents(folder):
    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", DRAWN)
def test_a_command_that_is_disturbed_at_any_operation_ends_as_undisturbed(name, commands, server, tmp_path):
    words, folder = commands[name], tmp_path / "disturbed"
    undisturbed = server.run(words, tmp_path / "undisturbed")
    assert undisturbed.status == 0, undisturbed.printed
    expected, counts = contents(tmp_path / "undisturbed"), Counter(operations=undisturbed.operations)
    problems = []
    for number, error in faults(name, undisturbed.operations):
        shutil.rmtree(folder, ignore_errors=True)
        ended = server.run(words, folder, number, error)
        counts["errors" if error else "kills"] += bool(ended.at)
        again = server.run(words, folder)
        fault = f"{number} {errno.errorcode.get(error, 'killed')} {ended.at}"
        wrong = [*problems_of(ended, error), *problems_after(again, expected, contents(folder))]
        problems += [f"{fault}: {problem}" for problem in wrong]
    print(f"\n{name}: {dict(counts)}, {len(problems)} problems")
    assert not problems, "\n".join(problems)


def faults(name, operations):
    """Numbers of operations, each with the error by which it fails, or 0 to kill."""
    draw = random.Random(name)
    every = [(number, error) for number in range(1, operations + 1) for error in (0, draw.choice(ERRORS))]
    return every if os.environ.get("CRASH") == "all" else draw.sample(every, DRAWN[name])


def problems_of(ended, error):
    """What is wrong with a command that was disturbed."""
    if "Traceback" in ended.printed or (error and ended.status not in (0, 2)):
        yield f"status {ended.status}: {ended.printed[-1500:]}"
    elif ended.status == 2 and not ended.printed.strip().rpartition("\n")[2].startswith("clipit: "):
        yield f"no line says why: {ended.printed[-300:]}"


def problems_after(again, expected, now):
    """What is wrong with the same command, repeated without any fault, and with what it leaves."""
    if again.status or "Traceback" in again.printed:
        yield f"repeated, it ends with {again.status}: {again.printed[-1500:]}"
    yield from (f"litter: {path}" for path in sorted(now.keys() - expected.keys()))
    yield from (f"missing: {path}" for path in sorted(expected.keys() - now.keys()))
    yield from (f"differs: {path}" for path in sorted(expected.keys() & now.keys()) if now[path] != expected[path])
