"""Scores of a video of ten hours, 72,000 steps: time and peak memory of a process that does nothing else."""

from collections.abc import Iterator

import torch

from clipit_lightning.core.config_files import load_config
from clipit_lightning.training.scorers import make_scorer
from experiments.bench.runner import REPOSITORY, Call, Options, Table, fresh

FEATURES, TOKENS = 512, 7


def tables(options: Options) -> Iterator[Table]:
    """The configured scorer on an hour and on ten at 2 frames per second."""
    lengths = {f"{steps} steps": fresh(score, steps, options.words) for steps in (7200, 72_000)}
    yield Table("scores of a long video", lengths, warm=False)


def score(steps: int, words: list[str]) -> Call:
    """A call that scores random features and returns nothing."""
    config = load_config([REPOSITORY / "configs/tvsum.yaml"], words)
    scorer = make_scorer(config, FEATURES, FEATURES).eval()
    features, text = torch.randn(steps, FEATURES), torch.randn(TOKENS, FEATURES)

    def run() -> None:
        with torch.inference_mode():
            scorer(features, text)

    return run
