"""How rules without labels, query and training rank like people: the rule of `clipit summarize`, and those not taken.

    .venv/bin/python experiments/rules_without_labels.py [--root data]

Tau under the default protocol, means over all videos of TVSum and SumMe. Steps have the store's features, or those that
the encoder `conse` would give, as far as captions tell: the mean of the ten ImageNet labels nearest to the caption of a
step. Needs features of captions by all-MiniLM-L6-v2, as in a store made of them, and the extra `offline`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from timm.data.imagenet_info import ImageNetInfo

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.evaluation.protocol import rules_of
from clipit_lightning.evaluation.rules import correlate
from clipit_lightning.evaluation.tested import open_store
from clipit_lightning.models.zero_shot import STEADY, generic_scores, rarity, smooth, standard
from clipit_lightning.video.minilm import MiniLM

Rows = NDArray[np.float64]

RULES: dict[str, Callable[[Rows, Rows], Rows]] = {
    "likeness to the mean of the video": lambda steps, _: smooth(steps @ unit(steps.mean(axis=0)), STEADY),
    "change between neighbours": lambda steps, _: smooth(change(steps), STEADY),
    "distance to the nearest tenth of the steps": lambda steps, _: smooth(nearest_tenth(steps), STEADY),
    "distance from the ends": lambda steps, _: from_ends(len(steps)),
    "mean likeness to the captions": lambda steps, captions: smooth(steps @ captions.mean(axis=0), STEADY),
    "rarity": lambda steps, _: smooth(rarity(steps), STEADY),
    "rarity and change": lambda steps, _: sum_of(smooth(rarity(steps), STEADY), smooth(change(steps), STEADY)),
    "rarity, less at the ends: the rule": lambda steps, _: generic_scores(steps),
    "the rule with captions": lambda steps, captions: generic_scores(steps, captions),
}


def unit(rows: Rows) -> Rows:
    """Rows of unit norm."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12))


def change(steps: Rows) -> Rows:
    """Mean distance of each step to the one before and the one after, (steps,)."""
    between = 1 - (steps[1:] * steps[:-1]).sum(axis=1)  # (steps - 1,)
    return np.asarray((np.append(between, between[-1]) + np.append(between[0], between)) / 2)


def nearest_tenth(steps: Rows) -> Rows:
    """Distance within which a tenth of the video's steps lie, (steps,)."""
    return np.asarray(np.sort(1 - steps @ steps.T, axis=1)[:, max(1, len(steps) // 10)])


def from_ends(n_steps: int) -> Rows:
    """Share of the video between a step and the nearer end, (steps,)."""
    share = (np.arange(n_steps) + 0.5) / n_steps
    return np.minimum(share, 1 - share)


def sum_of(*values: Rows) -> Rows:
    """Sum of values that are standardised within the video, (steps,)."""
    return np.asarray(np.sum([standard(row) for row in values], axis=0))


def by_labels(captions: Rows, labels: Rows, sharpness: float = 20.0) -> Rows:
    """Features of ten labels near the caption of each step, (steps, features)."""
    cosines = captions @ labels.T  # (steps, labels)
    best = np.argsort(-cosines, axis=1)[:, :10]  # (steps, 10)
    shares = np.exp(sharpness * np.take_along_axis(cosines, best, axis=1))
    shares /= shares.sum(axis=1, keepdims=True)
    return unit(np.einsum("sl,slf->sf", shares, labels[best]))


def main() -> None:
    """Print tau of every rule on every data set and kind of features."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of the stores (default: data)")
    root = parser.parse_args().root
    names = ImageNetInfo()
    labels = MiniLM().encode_texts([f"a photo of a {names.index_to_description(number)}" for number in range(1000)])
    table = pd.DataFrame(index=list(RULES))
    for dataset in ("tvsum", "summe"):
        rule = rules_of(ProtocolConfig(), BENCHMARKS[dataset]).correlation
        videos = open_store(dataset, root).read()
        if any(video.features.shape[1] != labels.shape[1] or video.caption_features is None for video in videos):
            raise UserError(f"{root}/{dataset}.h5: its steps have no features of captions by all-MiniLM-L6-v2")
        for kind in ("captions", "labels"):
            taus = {name: list[float]() for name in RULES}
            for video in videos:
                steps = unit(video.features.astype(np.float64))
                steps = steps if kind == "captions" else by_labels(steps, labels.astype(np.float64))
                texts = unit(np.asarray(video.caption_features, np.float64))
                for name, scores in RULES.items():
                    value = scores(steps, texts)
                    taus[name].append(correlate(video, value, np.zeros(0, np.int64), rule).kendall_tau)
            table[f"{dataset}, {kind}"] = pd.Series({name: np.mean(values) for name, values in taus.items()})
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
