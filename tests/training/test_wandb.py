"""Runs in Weights & Biases, without network and without account; what was written is read back from wandb's files."""

import importlib
import json
import os
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wandb
from wandb.proto import wandb_internal_pb2

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.evaluation.protocol import make_protocol
from clipit_lightning.studies import sweep_online as online
from clipit_lightning.studies.sweep_file import parse_sweep
from clipit_lightning.training import wandb as wandb_runs
from clipit_lightning.training.run import Run
from tests.support.results import fold_result, result

pytestmark = pytest.mark.slow
SECRET = "0123456789abcdef0123456789abcdef01234567"
BLOCK, HEADER = 32768, 7  # of the log format of LevelDB, in which wandb writes


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No account, no server, no sweep; nothing of the machine's own settings."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb-data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "wandb-cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-config"))
    importlib.reload(wandb_runs)  # it remembers its warnings and the trials that have begun
    yield
    wandb.teardown()


@pytest.fixture
def protocol():
    return make_protocol(load_config(), [], [], "mini", annotations_hash="a", data_hash="b")


@pytest.fixture
def logger(protocol, tmp_path):
    """Make the logger of a fold of a run."""

    def make(*words, fold=0, mode="offline"):
        path = tmp_path / "run/folds" / str(fold)
        path.mkdir(parents=True, exist_ok=True)
        return wandb_runs.make_logger(load_config([], [f"logger.wandb={mode}", *words]), path, "run", protocol, fold)

    return make


def finished(videos=1, **changes):
    scores = {f"tvsum/video_{number}": [0.5] * 1201 for number in range(1, videos + 1)}
    rows = [{"video": "tvsum/video_1", "kendall_tau": 0.25, "f1": 0.5, "fold": 0}]
    content = {"metrics": {"f1": 0.5}, "validation": {"kendall_tau": 0.3}, "per_video": rows, "scores": scores}
    return fold_result(**content | changes)


def run_result(**changes):
    metrics = {"f1": {"mean": 0.5, "std": 0.1, "folds": [0.4, 0.6]}, "f1_max": None}
    return result(**{"run": "run", "metrics": metrics} | changes)


def records(path):
    """The records of a `.wandb` file."""
    data, whole = path.read_bytes(), b""
    assert data[:4] == b":W&B"
    position = HEADER
    while position + HEADER <= len(data):
        if BLOCK - position % BLOCK < HEADER:
            position += BLOCK - position % BLOCK
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        if position + HEADER + length > len(data):  # is being written
            return
        whole += data[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def finished_records(path):
    """All records; wandb's engine, a process of its own, may write the last after the run has ended here."""
    until, written = time.monotonic() + 30, []
    while not any(record.WhichOneof("record_type") == "exit" for record in written) and time.monotonic() < until:
        time.sleep(0.02)
        written = list(records(path))
    return written


def read(folder):
    """What a run wrote: its header, configuration, history by key, summary."""
    (path,) = folder.glob("wandb/*run-*/*.wandb")
    run, config, history, summary = None, {}, defaultdict(list), {}
    for record in finished_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            for item in record.history.item:
                history["/".join(item.nested_key) or item.key].append(json.loads(item.value_json))
        elif kind == "summary":
            summary |= {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.summary.update}
    return run, config, history, summary


def test_a_fold_is_a_run_with_configuration_curves_summary_table_and_plots(logger, tmp_path, protocol):
    made = logger("optim.lr=0.007", "seed=3")
    for epoch in range(3):
        made.log_metrics({"val/kendall_tau": 0.1 * epoch, "epoch": epoch}, step=epoch)
    wandb_runs.log_fold(made, finished(videos=12))
    run, config, history, summary = read(tmp_path / "run/folds/0")
    assert run.run_group == protocol.identifier
    assert run.display_name == "run-fold0"
    assert run.job_type == "fold"
    assert config["optim"]["lr"] == 0.007
    assert config["seed"] == 3
    assert history["val/kendall_tau"] == pytest.approx([0.0, 0.1, 0.2])
    assert summary["test/f1"] == 0.5
    assert summary["validation/kendall_tau"] == 0.3
    assert summary["selected_epoch"] == 1
    table = json.loads(next((tmp_path / "run/folds/0").rglob("per_video*.table.json")).read_text())
    assert table["columns"] == ["video", "kendall_tau", "f1", "fold"]
    assert table["data"] == [["tvsum/video_1", 0.25, 0.5, 0]]
    plots = [key for key in history if key.startswith("scores/")]
    drawn = list((tmp_path / "run/folds/0").rglob("video_*.table.json"))
    assert len(drawn) == wandb_runs.CURVES, "as many plots as videos would be too many"
    assert len(json.loads(drawn[0].read_text())["data"]) == 401
    assert plots


def test_a_continued_run_keeps_its_identifier(logger, tmp_path):
    first = logger()
    identifier = first.run.id
    first.run.finish()
    again = logger()
    assert again.run.id == identifier == (tmp_path / "run/folds/0/wandb_id.txt").read_text().strip()
    other = logger(fold=1)
    assert other.run.id != identifier


def test_the_result_over_folds_is_a_run_beside_theirs(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    wandb_runs.log_run(load_config([], ["logger.wandb=offline"]), path, run_result())
    run, _, _, summary = read(path)
    assert run.job_type == "run"
    assert run.run_group == run_result().protocol.identifier
    assert run.run_id == (path / "wandb_id.txt").read_text().strip()
    assert summary["test/f1"] == 0.5
    assert summary["test/f1_std"] == 0.1
    assert summary["validation/kendall_tau"] == 0.3
    assert "test/f1_max" not in summary


@pytest.mark.parametrize("wanted", [True, False])
def test_the_selected_checkpoint_is_an_artifact_where_that_is_asked_for(logger, tmp_path, wanted):
    made = logger(f"logger.artifacts={wanted}")
    (tmp_path / "run/folds/0/best.ckpt").write_bytes(b"weights")
    wandb_runs.log_fold(made, finished())
    (path,) = (tmp_path / "run/folds/0").glob("wandb/*run-*/*.wandb")
    written = finished_records(path)
    artifacts = [record.artifact for record in written]
    artifacts += [record.request.log_artifact.artifact for record in written if record.request.HasField("log_artifact")]
    models = [artifact for artifact in artifacts if artifact.type == "model"]
    assert [[entry.path for entry in model.manifest.contents] for model in models] == [["best.ckpt"]] * wanted


def test_in_a_sweep_all_folds_share_the_trials_run_which_holds_the_objective(logger, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    monkeypatch.setenv("WANDB_RUN_ID", "trial1")
    for fold, taus in enumerate(([0.1, 0.3, 0.2], [0.5, 0.4])):
        made = logger("test=false", fold=fold)
        for epoch, tau in enumerate(taus):
            made.log_metrics({"val/kendall_tau": tau, "val/f1": tau / 2, "epoch": epoch}, step=epoch)
        wandb_runs.log_fold(made, finished(fold=fold, metrics={}, per_video=[], scores={}))
    validation = {"monitor": "kendall_tau", "kendall_tau": {"mean": 0.4, "std": None, "folds": [0.3, 0.5]}}
    last = run_result(metrics={}, validation=validation)
    wandb_runs.log_run(load_config([], ["logger.wandb=offline"]), tmp_path / "run", last)
    run, _, history, summary = read(tmp_path / "run")
    assert run.run_id == "trial1"
    assert run.sweep_id == "sweep"
    assert history["fold0/val/kendall_tau"] == [0.1, 0.3, 0.2]
    assert history["fold1/val/kendall_tau"] == [0.5, 0.4]
    assert history["validation/kendall_tau"] == pytest.approx([0.1, 0.3, 0.3, 0.4, 0.4])  # best so far, mean over folds
    assert history["validation/f1"] == pytest.approx([0.05, 0.15, 0.15, 0.2, 0.2])
    assert summary["validation/kendall_tau"] == pytest.approx(0.4)
    assert not list((tmp_path / "run/folds").rglob("*.wandb"))


def test_a_trial_that_continues_counts_the_folds_that_were_finished(logger, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    monkeypatch.setenv("WANDB_RUN_ID", "trial2")
    Run(tmp_path / "run").write_fold(fold_result(validation={"kendall_tau": 0.8}))
    made = logger(fold=1)
    made.log_metrics({"val/kendall_tau": 0.4, "epoch": 0}, step=0)
    made.run.finish()
    assert read(tmp_path / "run")[2]["validation/kendall_tau"] == pytest.approx([0.6])


def test_keys_are_in_no_file(logger, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    print(f"the terminal shows {SECRET}")
    made = logger()
    made.log_metrics({"val/f1": 0.5}, step=0)
    print(f"the terminal shows {SECRET}")
    wandb_runs.log_fold(made, finished())
    wandb_runs.log_run(load_config([], ["logger.wandb=offline"]), tmp_path / "run", run_result())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_online_without_a_key_goes_on_offline_with_one_line(logger, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked for a key"))
    for fold in range(2):
        made = logger(fold=fold, mode="online")
        made.log_metrics({"val/f1": 0.5}, step=0)
        wandb_runs.log_fold(made, finished())
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "no API key (WANDB_API_KEY, or `wandb login`); the run is kept in files" in error
    assert list((tmp_path / "run/folds/0/wandb").glob("offline-run-*"))


def test_online_without_a_network_goes_on_offline_with_one_line(logger, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    made = logger(mode="online")
    wandb_runs.log_fold(made, finished())
    wandb_runs.log_run(load_config([], ["logger.wandb=online"]), tmp_path / "run", run_result())
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "http://127.0.0.1:9 does not answer" in error
    assert SECRET not in error


def test_a_key_in_netrc_is_enough_to_ask_the_server(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert "no API key" in wandb_runs.online_problem()
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1:9 login user password {SECRET}\n")
    (tmp_path / "netrc").chmod(0o600)
    assert "does not answer" in wandb_runs.online_problem()


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_the_environment_can_hold_a_run_back(logger, tmp_path, monkeypatch, capfd, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    made = logger(mode="online")
    made.log_metrics({"val/f1": 0.5}, step=0)
    wandb_runs.log_fold(made, finished())
    assert bool(list(tmp_path.rglob("*.wandb"))) == (mode == "offline")
    assert capfd.readouterr().err == ""


class Server(BaseHTTPRequestHandler):
    """As much of wandb's server as a run needs to begin."""

    refuses = False

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        entity = {"id": "e", "name": "me"}
        bucket = {"id": "b", "name": "r", "displayName": "d", "description": "", "config": "{}", "historyLineCount": 0}
        bucket["project"] = {"id": "p", "name": "project", "entity": entity}
        if self.refuses:
            self._answer({"errors": [{"message": "permission denied"}]}, status=403)
        elif "upsertBucket" in asked:
            self._answer({"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}})
        elif "viewer" in asked:
            viewer = {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
            self._answer({"data": {"viewer": viewer, "serverInfo": {"features": []}}})
        else:
            self._answer({"data": {"serverInfo": {"features": []}, "model": None, "project": None}, "limits": {}})

    def _answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server on this machine; `close` makes it vanish."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{made.server_address[1]}")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)

    def close():
        made.shutdown()
        made.server_close()

    made.close = close
    yield made
    close()


def test_a_server_that_vanishes_does_not_stop_training(logger, tmp_path, server, monkeypatch, capfd):
    monkeypatch.setattr(wandb_runs, "FINISH_SECONDS", 1)
    made = logger(mode="online")
    assert not made.run.offline
    made.log_metrics({"val/f1": 0.1}, step=0)
    server.close()
    for step in range(1, 4):
        made.log_metrics({"val/f1": 0.1 * step}, step=step)
    wandb_runs.log_fold(made, finished(per_video=[], scores={}))
    wandb.teardown()  # writes what it holds back
    _, _, history, summary = read(tmp_path / "run/folds/0")
    assert len(history["val/f1"]) == 4, "what the server did not get is in the files"
    assert summary["test/f1"] == 0.5
    assert logger(fold=1, mode="online").run.offline
    assert SECRET not in capfd.readouterr().err


def test_a_server_that_refuses_is_one_line_and_the_run_goes_on_offline(logger, tmp_path, server, monkeypatch, capfd):
    monkeypatch.setattr(Server, "refuses", True)
    monkeypatch.setattr(wandb_runs, "INIT_SECONDS", 5)
    made = logger(mode="online")
    made.log_metrics({"val/f1": 0.1}, step=0)
    wandb_runs.log_fold(made, finished())
    assert list((tmp_path / "run/folds/0/wandb").glob("offline-run-*"))
    assert "the run is kept in files, `wandb sync` uploads them" in capfd.readouterr().err


RAW = {
    "method": "random",
    "project": "mine",
    "run_cap": 30,
    "command": ["${env}", "clipit", "train", "test=false", "${args_no_hyphens}"],
    "parameters": {"optim.lr": {"min": 0.001, "max": 0.1}, "seed": {"values": [0, 1]}},
}


def test_an_online_sweep_without_a_server_is_one_line_that_names_the_way_without():
    with pytest.raises(UserError, match=r"no API key .*make sweep SWEEP=local") as error:
        online.run_online(parse_sweep(RAW, Path("mine.yaml")), None, 1)
    assert "\n" not in str(error.value)


def test_an_online_sweep_is_registered_with_the_words_and_agents_are_started(server, monkeypatch):
    registered, started = [], []
    monkeypatch.setattr(wandb, "sweep", lambda config, project: registered.append((config, project)) or "abc")

    def start(pool, name, command, environment):
        started.append((command, environment))

    monkeypatch.setattr("clipit_lightning.core.processes.Pool.start", start)
    sweep = parse_sweep(RAW, Path("mine.yaml"), ["data.root=x", "seed=3"])
    assert online.run_online(sweep, 12, 2) == 0
    ((config, project),) = registered
    assert project == "mine"
    assert config["run_cap"] == 12
    assert config["command"][-4:] == ["test=false", "data.root=x", "seed=3", "${args_no_hyphens}"]
    assert list(config["parameters"]) == ["optim.lr"], "what a word fixes is no parameter any more"
    assert len(started) == 2
    assert started[0][0][1:] == ["-m", "wandb", "agent", "mine/abc"]
    assert started[0][1]["PATH"].startswith(str(Path(online.sys.executable).parent))


def test_a_server_that_refuses_a_sweep_is_one_line(server, monkeypatch):
    def refuse(config, project):
        raise wandb.errors.CommError("permission\ndenied")

    monkeypatch.setattr(wandb, "sweep", refuse)
    with pytest.raises(UserError, match=r"could not be registered \(permission denied\)") as error:
        online.run_online(parse_sweep(RAW, Path("mine.yaml")), None, 1)
    assert "\n" not in str(error.value)
