"""Scores of a video of ten hours, 72,000 steps: time and peak memory of a process that does nothing else."""

from collections.abc import Iterator, Sequence

import torch

from clipit_lightning.core.config_files import load_config
from clipit_lightning.training import build
from experiments.bench.runner import REPOSITORY, Call, Options, Table, fresh

FEATURES, TOKENS = 512, 7


def tables(options: Options) -> Iterator[Table]:
    """The configured scorer on half an hour, an hour and ten at 2 frames per second, and on an hour exactly."""
    videos = {"3,600 steps": 3600, "7,200 steps": 7200, "72,000 steps": 72_000}
    variants = {name: fresh(score, steps, False, options.words) for name, steps in videos.items()}
    variants |= {"7,200 steps, exact": fresh(score, 7200, True, options.words)}
    yield Table("scores of a long video", variants, warm=False)


def score(steps: int, exact: bool, words: Sequence[str]) -> Call:
    """A call that scores random features, in windows where there are many steps unless exactly."""
    config = load_config([REPOSITORY / "configs/tvsum.yaml"], [*words, f"model.exact={str(exact).lower()}"])
    scorer = build.task(config, FEATURES, FEATURES).scorer.eval()
    features, text = torch.randn(steps, FEATURES), torch.randn(TOKENS, FEATURES)
    return torch.inference_mode()(lambda: scorer(features, text))
