"""The package as a wheel: what it holds, and the quick start without the repository."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from clipit_lightning.core.config_files import load_config

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
SHIPPED = (
    *("configs/**/*.yaml", "experiments/*.yaml", "experiments/sweeps/*", "experiments/floors/*"),
    *("experiments/leaderboard.csv", "experiments/published.csv"),
)


def run(*command, folder, **environment):
    """Run a command in a folder; returns what it printed, its standard error last."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, REPOSITORY)
    assert run(*build, folder=folder) == (0, "")
    (path,) = folder.glob("*.whl")
    return path


def test_it_holds_the_package_and_what_is_shipped_and_no_more(wheel):
    package = REPOSITORY / "src" / "clipit_lightning"
    code = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    shipped = [path for glob in SHIPPED for path in REPOSITORY.glob(glob)]
    names = set(ZipFile(wheel).namelist())
    assert {name for name in names if name.startswith("clipit_lightning/")} == {
        *(str(path.relative_to(package.parent)) for path in code),
        *(f"clipit_lightning/shipped/{path.relative_to(REPOSITORY)}" for path in shipped),
    }
    assert {"clipit_lightning/py.typed", "clipit_lightning.pth"} <= names
    assert not {"tests", "configs", "experiments"}.intersection(name.partition("/")[0] for name in names)


def test_the_quick_start_works_from_an_empty_folder(wheel, tmp_path):
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    assert run("-m", "pip", "install", "-qq", "--no-deps", "--target", site, wheel, folder=here) == (0, "")

    def clipit(*words):
        return run("-m", "clipit_lightning", *words, folder=here, PYTHONPATH=str(site))

    status, printed = clipit("train", "--help")
    assert status == 0
    assert str(site / "clipit_lightning/shipped/configs") in "".join(printed.split())
    words = ("data.fold=0", "optim.epochs=1", "trainer.accelerator=cpu", "trainer.progress=false")
    status, printed = clipit("train", "tvsum", "unsupervised", *words)
    assert status == 0, printed
    assert "NOTE: tvsum with plain defaults" not in printed
    (saved,) = here.glob("runs/*/config.yaml")
    assert saved.with_name("result.json").exists()
    config = load_config([saved])
    assert (config.data.crop, config.loss.rarity, config.selection) == (256, 1.0, "last")
    status, printed = clipit("benchmark", "--quick", "--report", "--only", "unsupervised")
    assert (status, printed.count("\n")) == (2, 1)
    assert "no finished run of benchmark.yaml here" in printed
    status, printed = clipit("leaderboard")
    assert status == 0, printed
    assert "clip-it+" in printed
