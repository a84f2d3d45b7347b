"""What choosing the epoch on the test fold adds to a scorer that knows nothing.

    .venv/bin/python experiments/best_on_test.py [--root data] [--epochs 100] [--repeats 5]

A random scorer is "trained" for a number of epochs: each epoch is another draw of uniform scores. The honest number
is the mean over epochs; the chosen one takes, in each fold, the epoch that is best on the fold's test videos, as most
published code does. Writes best_on_test.csv beside this file, and docs/images/best_on_test.svg.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.core.files import atomic_path, write_text
from clipit_lightning.data.fold_files import families
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.protocol import rules_of
from clipit_lightning.evaluation.rules import Rules, measure
from clipit_lightning.evaluation.tested import open_store, tested_folds

HERE = Path(__file__).parent
CHOSEN_BY = ("f1", "kendall_tau")


def draw_metrics(videos: list[Video], rules: Rules, draws: int, seed: int = 0) -> dict[str, np.ndarray]:
    """F1 and tau of random scores for each video: id to (draws, metrics)."""
    rng = np.random.default_rng(seed)
    found = {}
    for video in videos:
        rows = [measure(rng.random(video.n_steps), video, rules) for _ in range(draws)]
        found[video.id] = np.array([[row[name] for name in CHOSEN_BY] for row in rows])
    return found


def simulate(dataset: str, root: Path, epochs: int, repeats: int) -> list[dict[str, object]]:
    """A row for each family of folds: honest and chosen F1 and tau, means over repeats, and what the choice adds."""
    videos = open_store(dataset, root).read()
    rules = rules_of(ProtocolConfig(correlation="binary-summary"), find_benchmark(dataset, root))
    draws = draw_metrics(videos, rules, epochs * repeats)
    rows = []
    for family in ("kfold", *families(dataset, "canonical")):
        folds = tested_folds(videos, family)
        # (folds, repeats, epochs, metrics): means over each fold's test videos
        means = np.stack([np.mean([draws[video] for video in fold.test], axis=0) for fold in folds])
        means = means.reshape(len(folds), repeats, epochs, len(CHOSEN_BY))
        honest, best = means.mean(axis=(0, 1, 2)), means.max(axis=2).mean(axis=(0, 1))
        row: dict[str, object] = {"dataset": dataset, "family": family, "epochs": epochs, "repeats": repeats}
        for position, (name, factor) in enumerate(zip(CHOSEN_BY, (100, 1), strict=True)):
            values = (honest[position], best[position], best[position] - honest[position])
            for what, value in zip(("honest", "best_on_test", "added"), values, strict=True):
                row[f"{name}_{what}"] = round(factor * float(value), 4)
        rows.append(row)
    return rows


def plot(table: pd.DataFrame, path: Path) -> None:
    """Honest and chosen numbers as pairs of dots, a row a family."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "clipit"  # the same table gives the same file
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    labels = [f"{row['dataset']}  {row['family']}" for row in table.to_dict("records")]
    places = np.arange(len(table))[::-1]
    for axis, name, title in zip(axes, CHOSEN_BY, ("F1 (%)", "Kendall tau, binary-summary"), strict=True):
        honest, best = table[f"{name}_honest"], table[f"{name}_best_on_test"]
        axis.hlines(places, honest, best, color="0.75", zorder=1)
        axis.scatter(honest, places, color="tab:blue", label="mean over epochs (honest)", zorder=2)
        axis.scatter(best, places, color="tab:red", marker="D", label="best epoch on the test fold", zorder=2)
        axis.set_yticks(places, labels)
        axis.set_xlabel(title)
        axis.grid(axis="x", alpha=0.3)
    figure.suptitle(f"A random scorer, {table['epochs'].iloc[0]} epochs: what choosing the epoch on the test fold adds")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncols=2, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("data"))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--to", type=Path, default=HERE / "best_on_test.csv")
    parser.add_argument("--picture", type=Path, default=HERE.parent / "docs/images/best_on_test.svg")
    options = parser.parse_args()
    rows = [row for name in ("summe", "tvsum") for row in simulate(name, options.root, options.epochs, options.repeats)]
    table = pd.DataFrame(rows)
    write_text(options.to, table.to_csv(index=False, lineterminator="\n"))
    plot(table, options.picture)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
