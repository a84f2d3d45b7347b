"""Measure how fast a network trains: ``python experiments/benchmark_training.py --root data``.

One epoch over TVSum's 40 training videos of fold 0 and the evaluation of its 10 test videos, as ``clipit train`` runs
it (its datamodule, task and trainer with all callbacks: moving average, loggers, checkpoints), against the usual code
of the field, one video at a time; ``usual_code.py`` says after which public code it is written. All run in one process
with the same threads, an epoch of each in turn, so that a busy machine slows all of them. Printed are medians and
minima over the epochs after the first, of the training and of the whole epoch, and both as multiples of ours.

The usual code trains CLIP-It with the width, heads, layers and losses of the configuration. Before anything is
measured, it is checked that with the same weights it has the scores, losses and metrics of ours. VASNet and PGL-SUM
also drop half of the attention weights while they train. Ours never does, since that needs the matrices in memory. So
the usual code is measured with that (by ``model.dropout``) and without; only without is the work the same. Ours is
measured with that same network (``clip-it``) on whole videos, which is the same work; on the configuration's crops
(``data.crop``), which is what we run, and reads about half of the steps an epoch; and with the configuration's network
(``clip-it+``, which does more) on crops.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from usual_code import Seconds, Usual, usual_metrics

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import load_config
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.rules import Rules, measure
from clipit_lightning.models import losses
from clipit_lightning.training import build
from clipit_lightning.training.scorers import make_scorer
from clipit_lightning.training.trainer import make_trainer, quiet_lightning

OURS, USUAL, DROPPED = "ours", "usual code", "usual code, attention weights dropped"


class Turns:
    """Runs an epoch of each of several others before each epoch of ours, and times all.

    Args:
        others: By name; each returns the seconds of its epoch.
    """

    def __init__(self, others: Mapping[str, Callable[[], Seconds]]) -> None:
        self.others = others
        self.seconds: dict[str, list[Seconds]] = {name: [] for name in (OURS, *others)}
        self.began = self.trained = 0.0

    def start(self) -> None:
        """Our next epoch starts, and the one before ends: what it logged and saved is counted."""
        self.end()
        for name, other in self.others.items():
            self.seconds[name].append(other())
        self.began = time.perf_counter()

    def turn(self) -> None:
        """Our training part ends."""
        self.trained = time.perf_counter()

    def end(self) -> None:
        """Our epoch ends, if one has begun."""
        if self.began:
            self.seconds[OURS].append((self.trained - self.began, time.perf_counter() - self.began))


def check(usual: Usual, config: Config, datamodule: SummarizationDataModule) -> None:
    """Stop unless, with the same weights, the usual code finds what ours finds."""
    ours = make_scorer(config, datamodule.feature_dim, datamodule.text_dim).eval()
    usual.scorer.load_state_dict(ours.state_dict())
    usual.scorer.eval()
    video, (features, text, keyframes, importance) = usual.test[0]
    real = torch.ones(1, len(features), dtype=torch.bool)
    with torch.no_grad():
        logits, rebuilt = ours(features[None], real, text[None], torch.ones(1, len(text), dtype=torch.bool))
        found = usual.losses(features, text, keyframes, importance)
        scores = usual.scores([features, text])
    squashed = torch.sigmoid(logits)  # (1, steps)
    wanted = {
        "keyframe": losses.keyframe_loss(logits, real, keyframes[None]),
        "correlation": losses.correlation_loss(logits, real, importance[None]),
        "diversity": losses.diversity_loss(rebuilt, real, squashed),
        "reconstruction": losses.reconstruction_loss(rebuilt, features[None], real, squashed),
        "length": losses.length_loss(squashed, real, config.loss.length_target),
    }
    measured, theirs = measure(video, scores, Rules("mean", "per-annotator")), usual_metrics(video, scores)
    gaps = {"scores": float(np.abs(scores - squashed[0].numpy()).max())}
    gaps |= {name: abs(float(found[name] - wanted[name])) for name in wanted}
    gaps |= {name: abs(theirs[name] - measured[name]) for name in theirs}
    if max(gaps.values()) > 1e-4:
        raise SystemExit(f"the usual code does not compute what ours does: {gaps}")
    print(f"checked: with the same weights all scores, losses and metrics differ by less than {max(gaps.values()):.0e}")


def compare(config: Config, repeats: int) -> None:
    """Train all in turn, and print a row for each."""
    # After clipit_lightning, which may have to repair torchvision.
    from lightning.pytorch.callbacks import LambdaCallback

    datamodule = build.datamodule(config)
    datamodule.setup()
    datamodule.fold = 0
    protocol = build.describe_protocol(config, datamodule)
    with tempfile.TemporaryDirectory() as folder:
        usual = Usual(config, datamodule, Path(folder))
        if config.model.name == "clip-it":
            check(usual, config, datamodule)
        trainer, _ = make_trainer(config, Path(folder) / "fold0", "benchmark", protocol, 0, True, None, None)
        dropped = Usual(config, datamodule, Path(folder), config.model.dropout)
        turns = Turns({USUAL: usual, DROPPED: dropped})
        hooks = LambdaCallback(
            on_train_epoch_start=lambda *_: turns.start(),
            on_validation_start=lambda *_: turns.turn(),
            on_train_end=lambda *_: turns.end(),
        )
        trainer.callbacks.insert(0, hooks)  # type: ignore[attr-defined]
        trainer.fit(build.task(config, datamodule.feature_dim, datamodule.text_dim), datamodule=datamodule)
    print(f"{'':<38} {'training':^28}   {'training and evaluation':^28}")
    print(f"{'seconds of an epoch':<38}" + 2 * f" {'median':>7} {'least':>6} {'times':>6} {'least':>6}  ")
    videos = f"crops of {config.data.crop}" if config.data.crop else "whole videos"
    say(f"{OURS}, {config.model.name}, {videos}", turns.seconds[OURS], turns.seconds[OURS])
    for name in (USUAL, DROPPED):
        say(name, turns.seconds[name], turns.seconds[OURS])


def say(name: str, seconds: list[Seconds], ours: list[Seconds]) -> None:
    """Print a row: median and minimum, and both as multiples of ours, of the training and of the whole epoch."""
    row = f"{name:<38}"
    for part, own in zip(
        zip(*seconds[1:], strict=True), zip(*ours[1:], strict=True), strict=True
    ):  # the first warms up
        middle, least = statistics.median(part), min(part)
        row += f" {middle:7.2f} {least:6.2f} {middle / statistics.median(own):6.2f} {least / min(own):6.2f}  "
    print(row, flush=True)


def main() -> None:
    """Measure our training of the network of both, and of the configured one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/tvsum.yaml")
    parser.add_argument("--root", default="data", help="folder with tvsum.h5, which holds captions")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of each that are measured")
    parser.add_argument("--threads", type=int, default=1, help="threads of both")
    parser.add_argument("words", nargs="*", help="further key=value, such as model.width=512")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    quiet_lightning()
    # As published code does: the validation part trains too, and the test videos are evaluated after each epoch.
    words = [f"data.root={options.root}", "selection=best-on-test", f"optim.epochs={options.epochs + 1}"]
    words += ["trainer.accelerator=cpu", "trainer.progress=false", *options.words]
    config = load_config([options.config], words)
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    model = config.model
    print(
        f"width {model.width}, {model.heads} heads, {model.encoder_layers} + {model.decoder_layers} layers; "
        f"ours {config.data.batch_size} videos a batch; {options.epochs} epochs of each in turn"
    )
    crop = config.data.crop
    for name, steps in dict.fromkeys([("clip-it", 0), ("clip-it", crop), (model.name, crop)]):
        compare(load_config([options.config], [*words, f"model.name={name}", f"data.crop={steps}"]), options.epochs)


if __name__ == "__main__":
    main()
