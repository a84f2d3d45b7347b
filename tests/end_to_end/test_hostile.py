"""Hostile inputs: each ends in one line and a status that is not 0, and changes no file of anybody."""

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.data.store import Store
from clipit_lightning.training.train import run
from tests.support import hostile

pytestmark = pytest.mark.hostile
QUICK = """data: {{root: {root}, fold: 0}}
model: {{width: 8, heads: 2}}
optim: {{epochs: {epochs}}}
trainer: {{accelerator: cpu}}
"""


def snapshot(folder):
    """Every file, folder and link below a folder, with what it holds."""
    return {
        path: path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }


@pytest.fixture
def clipit(tmp_path, monkeypatch, capfd):
    """Run the command in a folder of the test's own; returns the status and what it says on standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        before = snapshot(tmp_path)
        status = main([str(word) for word in words])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.out + printed.err
        assert not list(tmp_path.rglob("executed"))
        if status != 0:
            assert snapshot(tmp_path) == before, "it changed files, or left some behind"
            assert status == 2
            (line,) = printed.err.splitlines()
            assert line.startswith("clipit: ")
            assert line.isprintable()
            assert 10 < len(line) < 1000
        return status, printed.err

    return call


@pytest.fixture
def refuses(clipit):
    """Run a command that must refuse; returns what it says."""

    def call(*words):
        status, said = clipit(*words)
        assert status != 0
        return said

    return call


@pytest.fixture(scope="module")
def stores(stores, tmp_path_factory):
    """The synthetic TVSum with six of its videos, QFVS, and configurations that train on them for one epoch or two."""
    folder = tmp_path_factory.mktemp("small")
    for epochs in (1, 2):
        (folder / f"epochs{epochs}.yaml").write_text(QUICK.format(root=folder, epochs=epochs))
    for name in ("tvsum", "qfvs"):
        shutil.copy(stores / f"{name}.h5", folder)
    with h5py.File(folder / "tvsum.h5", "a") as file:
        for number in range(7, 11):
            del file[f"video_{number}"]
    return folder


@pytest.fixture(scope="module")
def own_scores(stores, tmp_path_factory):
    """Sound scores for tvsum.h5 and qfvs.h5."""
    folder, rng = tmp_path_factory.mktemp("scores"), np.random.default_rng(0)
    with h5py.File(stores / "tvsum.h5") as file:
        scores = {key: rng.random(len(file[key]["picks"])).tolist() for key in file}
    (folder / "tvsum.json").write_text(json.dumps(scores))
    videos = Store(stores / "qfvs.h5").read_queries()
    queries = {video.key: {name: rng.random(video.n_steps).tolist() for name in video.names} for video in videos}
    (folder / "qfvs.json").write_text(json.dumps(queries))
    return folder


@pytest.fixture
def reading(clipit, own_scores):
    """Check or read a store with one of the commands that do, in turn; returns the status."""

    def call(dataset, turn):
        words = [f"data.dataset={dataset}", "data.root=data", "output=new", "model.name=random", "data.fold=0"]
        words += ["data.family=2/1/1"] if dataset == "qfvs" else []
        where = ["--dataset", dataset, "--root", "data"]
        commands = [
            ["data", "check", "--root", "data"],
            ["evaluate", own_scores / f"{dataset}.json", *where, "--draws", "2"],
            ["baselines", *where, "--draws", "2"],
            ["train", *words],
        ]
        return clipit(*commands[turn % len(commands)])[0]

    return call


STORES = [("tvsum", name) for name in hostile.ANNOTATED] + [("qfvs", name) for name in hostile.QUERIES]


def damaged(stores, folder, dataset):
    """A copy of a store, with what hostile links point to beside it."""
    (folder / "data").mkdir()
    (folder / "data/secret").write_text("secret " * 10_000)
    with h5py.File(folder / "data/other.hdf5", "w") as file:
        file["features"] = np.zeros((20, 8), "f4")
    return Path(shutil.copy(stores / f"{dataset}.h5", folder / "data"))


@pytest.mark.parametrize(("dataset", "damage"), STORES, ids=lambda name: name)
def test_damaged_stores(dataset, damage, stores, tmp_path, reading):
    path = damaged(stores, tmp_path, dataset)
    with h5py.File(path, "a") as file:
        {"tvsum": hostile.ANNOTATED, "qfvs": hostile.QUERIES}[dataset][damage](file)
    assert reading(dataset, STORES.index((dataset, damage))) == 2


@pytest.mark.parametrize("spoil", hostile.FILES)
@pytest.mark.parametrize("dataset", ["tvsum", "qfvs"])
def test_what_is_no_store(dataset, spoil, stores, tmp_path, reading):
    hostile.FILES[spoil](damaged(stores, tmp_path, dataset))
    assert reading(dataset, list(hostile.FILES).index(spoil)) == 2


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dataset", ["tvsum", "qfvs"])
def test_flipped_bytes_of_a_store(dataset, seed, stores, tmp_path, reading):
    hostile.flip(damaged(stores, tmp_path, dataset), seed)
    assert reading(dataset, seed) in (0, 2)


@pytest.mark.parametrize("name", hostile.CONFIGS)
def test_configuration_files(name, refuses, stores, tmp_path):
    (tmp_path / "hostile.yaml").write_bytes(hostile.CONFIGS[name])
    said = refuses("train", "hostile.yaml", f"data.root={stores}")
    assert str(Path.home()) not in said


@pytest.mark.parametrize("spoil", hostile.FILES)
def test_what_is_no_configuration(spoil, refuses, stores, tmp_path):
    (tmp_path / "hostile.yaml").write_text("seed: 1\n" * 500)
    hostile.FILES[spoil](tmp_path / "hostile.yaml")
    refuses("train", "hostile.yaml", f"data.root={stores}", "seed=-1")


@pytest.mark.parametrize("word", hostile.WORDS, ids=lambda word: ascii(word[:40]))
def test_words(word, refuses, stores):
    refuses("train", f"data.root={stores}", "output=new", word)


@pytest.mark.parametrize("key", hostile.SIZES)
@pytest.mark.parametrize("value", [10**10, 10**400])
def test_sizes_beyond_any_machine(key, value, refuses, stores):
    more = ["data.setting=transfer"] if key == "data.folds" else []
    written = f"[{value + 1}]" if key == "model.windows" else value
    refuses("train", f"data.root={stores}", "output=new", *more, f"{key}={written}")


@pytest.fixture
def evaluates(refuses, stores):
    """Measure a file that must be refused."""
    return lambda name, dataset="tvsum": refuses(
        "evaluate", name, "--dataset", dataset, "--root", stores, "--draws", "2"
    )


@pytest.mark.parametrize("name", hostile.JSONS)
@pytest.mark.parametrize("dataset", ["tvsum", "qfvs"])
def test_score_files_in_json(name, dataset, evaluates, tmp_path):
    (tmp_path / "hostile.json").write_bytes(hostile.JSONS[name])
    assert evaluates("hostile.json", dataset).startswith("clipit: ")


@pytest.mark.parametrize("name", hostile.LITERALS)
@pytest.mark.parametrize("dataset", ["tvsum", "qfvs"])
def test_what_is_no_row_of_scores(name, dataset, evaluates, own_scores, tmp_path):
    scores = json.loads((own_scores / f"{dataset}.json").read_text())
    changed = [scores | {"video_3": "HERE"}]
    if dataset == "qfvs":  # in the place of a query, and of all queries of a video
        changed = [scores | {"P02": scores["P02"] | {"Car_Food": "HERE"}}, scores | {"P02": "HERE"}]
    for content in changed:
        (tmp_path / "hostile.json").write_text(json.dumps(content).replace('"HERE"', hostile.LITERALS[name]))
        assert evaluates("hostile.json", dataset).startswith("clipit: ")


@pytest.mark.parametrize("name", hostile.NAMES)
def test_scores_that_are_not_of_the_videos(name, evaluates, own_scores, tmp_path):
    for dataset in ("tvsum", "qfvs"):
        scores, change = json.loads((own_scores / f"{dataset}.json").read_text()), hostile.NAMES[name]
        scores = change(scores) if dataset == "tvsum" else scores | {"P02": change(scores["P02"])}
        (tmp_path / "hostile.json").write_text(json.dumps(scores))
        if (dataset, name) != ("qfvs", "one-by-two-names"):
            assert evaluates("hostile.json", dataset).startswith("clipit: ")


def test_a_video_or_query_given_twice(evaluates, own_scores, tmp_path):
    for dataset, name in (("tvsum", "video_3"), ("qfvs", "P02")):
        text = (own_scores / f"{dataset}.json").read_text()
        (tmp_path / "hostile.json").write_text(f'{{"{name}": [0.5], {text[1:]}')
        assert "stands twice" in evaluates("hostile.json", dataset)


def write_scores(path, scores):
    if path.suffix == ".npz":
        np.savez(path, **scores)
    elif path.suffix in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            file.update(scores)
    else:
        path.write_text(json.dumps(scores))


@pytest.mark.parametrize("name", hostile.ARRAYS)
def test_arrays_that_are_no_scores(name, evaluates, own_scores, tmp_path):
    scores = {key: np.array(row) for key, row in json.loads((own_scores / "tvsum.json").read_text()).items()}
    scores["video_3"] = hostile.ARRAYS[name](scores["video_3"])
    write_scores(tmp_path / "groups.hdf5", {f"{key}/scores": row for key, row in scores.items()})
    for path in ("hostile.npz", "hostile.h5"):
        write_scores(tmp_path / path, scores)
        assert evaluates(path).startswith("clipit: ")
    assert evaluates("groups.hdf5").startswith("clipit: ")


def test_objects_in_npz_are_not_unpickled(evaluates, own_scores, tmp_path):
    scores = json.loads((own_scores / "tvsum.json").read_text())
    scores["video_3"] = np.array([hostile.WritesAFile(tmp_path / "executed")], dtype=object)
    np.savez(tmp_path / "hostile.npz", **scores)
    assert "allow_pickle" in evaluates("hostile.npz")


@pytest.mark.parametrize("name", hostile.LINKS)
def test_links_in_score_files(name, evaluates, stores, tmp_path):
    damaged(stores, tmp_path, "tvsum")
    with h5py.File(tmp_path / "data/hostile.h5", "w") as file:
        file["video_3/features"] = np.zeros((20, 8), "f4")
        hostile.LINKS[name](file)
        file.move("video_3/features", "video_3/scores")
    assert evaluates("data/hostile.h5").startswith("clipit: ")


@pytest.mark.parametrize("suffix", [".json", ".npz", ".h5", ""])
@pytest.mark.parametrize("spoil", hostile.SPOILED)
def test_what_is_no_score_file(spoil, suffix, evaluates, own_scores, tmp_path):
    path = tmp_path / f"hostile{suffix}"
    write_scores(path, json.loads((own_scores / "tvsum.json").read_text()))
    hostile.FILES[spoil](path)
    assert evaluates(path.name).startswith("clipit: ")


@pytest.mark.parametrize("name", hostile.FOLDS)
def test_files_of_folds(name, refuses, stores, own_scores, tmp_path):
    suffix, content = hostile.FOLDS[name]
    path = f"hostile{suffix}"
    (tmp_path / path).write_bytes(content)
    where = ["--dataset", "tvsum", "--root", stores]
    commands = [
        ["data", "folds", path, *where, "--to", "new.json"],
        ["train", f"data.root={stores}", f"data.family={path}", "output=new"],
        ["evaluate", own_scores / "tvsum.json", *where, "--folds", path],
    ]
    refuses(*commands[list(hostile.FOLDS).index(name) % 3])


@pytest.mark.parametrize("spoil", hostile.SPOILED)
def test_what_is_no_file_of_folds(spoil, refuses, stores, tmp_path):
    (tmp_path / "hostile.json").write_text('[{"train": [1, 2, 3, 4], "test": [5, 6]}]')
    hostile.FILES[spoil](tmp_path / "hostile.json")
    refuses("data", "folds", "hostile.json", "--dataset", "tvsum", "--root", stores)


def damage_json(path, name, damages):
    """Write other JSON in the place of a file, or change what it holds."""
    if name in damages:
        path.write_text(json.dumps(damages[name](json.loads(path.read_text()))))
    else:
        path.write_bytes(hostile.JSONS[name])


@pytest.fixture(scope="module")
def finished(stores, tmp_path_factory):
    """A finished run of one fold, and floors; read only."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(["train", str(stores / "epochs1.yaml"), f"output={folder / 'runs/run'}"]) == 0
    words = ["--dataset", "tvsum", "--root", str(stores), "--draws", "2", "--keep", str(folder / "floors")]
    assert main(["baselines", *words]) == 0
    return folder


@pytest.fixture
def runs(finished, tmp_path):
    """A run to damage, ``runs/run``, beside one that nothing may change."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shutil.copytree(finished / "runs/run", tmp_path / "runs/beside")
    return tmp_path / "runs"


@pytest.fixture
def again(clipit, stores):
    """The command of the run, again."""
    return lambda: clipit("train", stores / "epochs1.yaml", "output=runs/run")


BOARD = ["--published", "published.csv", "--floors", "floors"]


@pytest.fixture
def omits(clipit):
    """The leaderboard names the damaged run, and has the other."""

    def call(runs):
        status, said = clipit("leaderboard", "runs", *BOARD)
        assert status == 0
        assert re.fullmatch(r"clipit: omitted: .*\bruns/run\W.*\n", said), said
        assert ",ours," in (runs / "leaderboard.csv").read_text()

    return call


@pytest.mark.parametrize("name", hostile.RESULTS)
def test_damaged_results(name, refuses, omits, again, runs):
    damage_json(runs / "run/result.json", name, hostile.RESULTS)
    if list(hostile.RESULTS).index(name) % 3 == 0:
        assert again()[0] == 2
    omits(runs)
    refuses("compare", "runs/beside", "runs/run")


@pytest.mark.parametrize("name", ["result.json", "protocol.json"])
@pytest.mark.parametrize("content", hostile.some(hostile.JSONS, 3))
def test_json_of_a_run(name, content, refuses, omits, again, runs):
    (runs / "run" / name).write_bytes(hostile.JSONS[content])
    assert again()[0] == 2
    if name == "result.json":
        omits(runs)
        refuses("compare", "runs/run", "runs/beside")


@pytest.mark.parametrize("name", ["config.yaml", "result.json", "protocol.json", "per_video.csv"])
@pytest.mark.parametrize("spoil", hostile.SPOILED)
def test_what_is_no_file_of_a_run(name, spoil, refuses, again, runs):
    hostile.FILES[spoil](runs / "run" / name)
    if name in ("config.yaml", "protocol.json"):
        assert again()[0] == 2
    else:
        refuses("compare", "runs/run", "runs/beside")


@pytest.mark.parametrize("name", hostile.TABLES)
def test_tables_of_a_run(name, refuses, runs):
    (runs / "run/per_video.csv").write_bytes(hostile.TABLES[name])
    refuses("compare", "runs/run", "runs/beside")
    refuses("compare", "runs/beside,runs/run", "runs/beside")


@pytest.mark.parametrize("name", hostile.PUBLISHED)
def test_published_results(name, refuses, runs, tmp_path):
    content = hostile.PUBLISHED[name]
    (tmp_path / "published.csv").write_bytes(hostile.HEADER * content.startswith(b"PL-GAN") + content)
    refuses("leaderboard", "runs", *BOARD)


@pytest.mark.parametrize("name", [*hostile.FLOORS, *hostile.some(hostile.JSONS, 3, 1)])
def test_kept_floors(name, refuses, runs, tmp_path):
    (path,) = (tmp_path / "floors").glob("*.json")
    damage_json(path, name, hostile.FLOORS)
    refuses("leaderboard", "runs", *BOARD)


@pytest.fixture(scope="module")
def interrupted(stores, tmp_path_factory):
    """A run that stopped after the first of two epochs; read only."""

    def stop(fold, epoch, validation):
        if epoch == 1:
            raise KeyboardInterrupt

    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.raises(KeyboardInterrupt):
        run(load_config([stores / "epochs2.yaml"], [f"output={folder}"]), watch=stop)
    assert (folder / "folds/0/last.ckpt").exists()
    return folder


@pytest.fixture
def continues(interrupted, finished, stores, clipit, tmp_path):
    """An interrupted run to damage, beside a finished one; and the command that continues it."""
    shutil.copytree(finished / "runs/run", tmp_path / "runs/beside")
    shutil.copytree(interrupted, tmp_path / "runs/run")
    return tmp_path / "runs/run/folds/0", lambda: clipit("train", stores / "epochs2.yaml", "output=runs/run")


@pytest.fixture
def untested(runs, again):
    """A run that stopped after its training, and the command that tests it."""
    for path in (runs / "run/result.json", runs / "run/folds/0/result.json"):
        path.unlink()
    return runs / "run/folds/0", again


def save(path, damage):
    """Damage a checkpoint."""
    torch.save(damage(torch.load(path, weights_only=True)), path)


@pytest.fixture
def stopped(request):
    """The folder of a run that stopped, and the command that reads this checkpoint of it."""
    return lambda name: request.getfixturevalue({"last.ckpt": "continues", "best.ckpt": "untested"}[name])


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_the_stopped_runs_continue_where_nothing_is_damaged(name, stopped):
    folder, command = stopped(name)
    assert command()[0] == 0
    assert (folder / "result.json").exists()


WEIGHTS = [("last.ckpt", name) for name in hostile.CHECKPOINTS | hostile.STATES]
WEIGHTS += [("best.ckpt", name) for name in hostile.some(hostile.CHECKPOINTS, 4)]


@pytest.mark.parametrize(("name", "damage"), WEIGHTS)
def test_damaged_checkpoints(name, damage, stopped):
    folder, command = stopped(name)
    save(folder / name, (hostile.CHECKPOINTS | hostile.STATES)[damage])
    status, said = command()
    assert (status, name in said) == (2, True)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("spoil", hostile.SPOILED)
def test_what_is_no_checkpoint(spoil, name, stopped):
    folder, command = stopped(name)
    hostile.FILES[spoil](folder / name)
    absent = name == "last.ckpt" and spoil in ("linked-in-a-circle", "linked-to-nowhere")  # as if there were none
    assert command()[0] == (0 if absent else 2)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_objects_in_a_checkpoint_are_not_unpickled(name, stopped, tmp_path):
    folder, command = stopped(name)
    save(folder / name, lambda checkpoint: checkpoint | {"more": hostile.WritesAFile(tmp_path / "executed")})
    assert command()[0] == 2


@pytest.mark.parametrize("content", [*hostile.FOLD_RESULTS, *hostile.some(hostile.JSONS, 4)])
def test_damaged_results_of_a_fold(content, runs, again):
    (runs / "run/result.json").unlink()
    damage_json(runs / "run/folds/0/result.json", content, hostile.FOLD_RESULTS)
    status, said = again()
    assert (status, "folds/0/result.json" in said) == (2, True)
