"""An epoch over TVSum's training videos of fold 0, and with its evaluation on the test videos, against the usual code.

Ours is what ``clipit train`` runs: its datamodule, task, and trainer with all callbacks (moving average, logs,
checkpoints). As published code does, the validation part trains too, and the test videos are evaluated each epoch.
``usual.py`` says after which public code the usual code is written.
"""

import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import load_config
from clipit_lightning.evaluation.rules import Rules, measure
from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.training import build
from clipit_lightning.training.trainer import make_trainer, quiet_lightning
from experiments.bench.runner import REPOSITORY, Options, Table, check_equal
from experiments.bench.usual import Usual, usual_metrics

TOLERANCE = 1e-4


def tables(options: Options) -> Iterator[Table]:
    """Equal work first: the network, losses and dropout of ``clip-it``, and whole videos on both sides.

    VASNet and PGL-SUM also drop half of the attention weights while they train, which ours never does: it needs the
    matrices in memory. So the usual code is measured with that and without; only without is the work the same. Below
    stands what we run: windows of the videos (``data.crop``), and the configured network on them.
    """
    quiet_lightning()
    words = [f"data.root={options.root}", "selection=best-on-test", f"optim.epochs={options.repeats + 2}"]
    words += ["trainer.accelerator=cpu", "trainer.progress=false", *options.words]
    ways = {
        "ours, clip-it, whole videos": ["model.name=clip-it", "data.crop=0"],
        "ours, clip-it, configured crop": ["model.name=clip-it"],
        "ours, configured": [],
    }
    configs = {name: load_config([REPOSITORY / "configs/tvsum.yaml"], [*words, *way]) for name, way in ways.items()}
    with TemporaryDirectory() as name:
        folder = Path(name)
        ours = {name: Epochs(config, folder / str(number)) for number, (name, config) in enumerate(configs.items())}
        (base, equal), *others = ours.items()
        config, datamodule = equal.config, equal.datamodule
        check(replace(config, model=replace(config.model, dropout=0.0)), equal, folder)
        usual = {
            "usual code": Usual(config, datamodule, folder),
            "usual code that drops attention weights": Usual(config, datamodule, folder, config.model.dropout),
        }
        variants = {base: equal.phases} | {name: (code.train, code.evaluate) for name, code in usual.items()}
        model = config.model
        yield Table(
            f"an epoch: width {model.width}, {model.heads} heads, {model.encoder_layers} + {model.decoder_layers} "
            f"layers, ours {config.data.batch_size} videos a batch",
            variants | {name: epochs.phases for name, epochs in others},
            phases=("training", "with evaluation"),
        )


class Epochs:
    """Our training, an epoch at a time: Lightning's loop runs in a thread of its own, and waits at both boundaries."""

    def __init__(self, config: Config, folder: Path) -> None:
        # After clipit_lightning, which may have to repair torchvision.
        from lightning.pytorch.callbacks import LambdaCallback

        self.config, self.datamodule = config, build.datamodule(config)
        self.datamodule.setup()
        protocol = build.describe_protocol(config, self.datamodule)
        self._trainer, _ = make_trainer(config, folder, "benchmark", protocol, 0, True, None, None)
        wait = LambdaCallback(on_train_epoch_start=self._wait, on_validation_start=self._wait)
        self._trainer.callbacks.insert(0, wait)  # type: ignore[attr-defined]
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self.phases = (self._advance, self._advance)
        """Calls that run the training part of an epoch, and its evaluation with all that is logged and saved."""
        threading.Thread(target=self._fit, daemon=True).start()  # ends with the process, in the middle of a run
        self._reach()

    def _fit(self) -> None:
        try:
            task = build.task(self.config, self.datamodule.feature_dim, self.datamodule.text_dim)
            self._trainer.fit(task, datamodule=self.datamodule)
        except BaseException as error:
            self._error = error
        finally:
            self._waits.release()

    def _wait(self, *_: object) -> None:
        self._waits.release()
        self._go.acquire()

    def _advance(self) -> None:
        self._go.release()
        self._reach()

    def _reach(self) -> None:
        self._waits.acquire()
        if self._error is not None:
            raise self._error


def check(config: Config, epochs: Epochs, folder: Path) -> None:
    """Check that, with the same weights and no dropout, the usual code computes what ours does.

    Raises:
        NotEqualError: Losses, gradients, scores or metrics of a video differ.
    """
    usual = Usual(config, epochs.datamodule, folder)
    ours = build.task(config, epochs.datamodule.feature_dim, epochs.datamodule.text_dim).scorer.train()
    usual.scorer.load_state_dict(ours.state_dict())
    video, (features, text, keyframes, importance) = usual.test[0]
    output = ours(features, text)
    terms = SummaryLoss(**asdict(config.loss))(output, features, text, keyframes, importance)
    terms["total"].backward()
    usual_terms = usual.losses(features, text, keyframes, importance)
    usual_terms["total"].backward()  # type: ignore[no-untyped-call]
    for name, term in usual_terms.items():
        check_equal(f"usual code, loss {name}", term.detach(), terms[name].detach(), TOLERANCE)
    weights = dict(ours.named_parameters())
    for name, weight in usual.scorer.named_parameters():
        check_equal(f"usual code, gradient of {name}", weight.grad, weights[name].grad, TOLERANCE)
    scores = usual.scores(features, text)
    check_equal("usual code, scores", scores, output.scores.detach(), TOLERANCE)
    metrics = measure(scores, video, Rules("mean", "per-annotator"))
    for name, value in usual_metrics(video, scores).items():
        check_equal(f"usual code, {name}", value, metrics[name], TOLERANCE)
