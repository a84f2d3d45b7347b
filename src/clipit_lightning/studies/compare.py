"""Is one run better than another? Paired over videos, with an interval and a permutation test."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from clipit_lightning.core.errors import UserError
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.evaluation.protocol import Protocol, evaluation_differences
from clipit_lightning.evaluation.statistics import bootstrap_interval
from clipit_lightning.studies.kept import open_run

PERMUTATIONS = 10_000


def read_run(folders: Sequence[Path]) -> tuple[Protocol, pd.DataFrame]:
    """Read the per-video rows of a run, or of its repetitions with several seeds, and its protocol.

    A run is named as `open_run` takes it.

    The rows have ``seed``, ``video`` (and ``query``) and the metrics; what several folds test has its mean.

    Raises:
        UserError: A folder holds no finished run, or the runs given together are not repetitions of one: their method,
            configuration, folds or protocol differ.
    """
    tables, trained = [], []
    for folder in folders:
        run = open_run(folder)
        result, rows = run.result(), run.rows()
        trained.append(
            {
                "methods": result.method,
                "configurations": result.config_hash,
                "folds": [fold.fold for fold in result.folds],
                "protocols": result.protocol,
            }
        )
        keys, names = ([name for name in names if name in rows] for names in (("video", "query"), METRICS))
        if not np.isfinite(rows[names].to_numpy()).all():
            raise UserError(f"{run.per_video_file}: a metric is missing or infinite; restore it, or run it again")
        tables.append(rows.groupby(keys, as_index=False)[names].mean())
        tables[-1].insert(0, "seed", result.seed)
    for folder, values in zip(folders, trained, strict=True):
        if other := [name for name, value in values.items() if value != trained[0][name]]:
            differ = f"their {' and '.join(other)} differ"
            raise UserError(f"{folder} is no repetition of {folders[0]}: {differ}; compare them instead")
    rows = pd.concat(tables, ignore_index=True)
    if rows.duplicated(["seed", *keys]).any():
        raise UserError(f"{', '.join(map(str, folders))}: two runs of the same seed; name each seed once")
    return result.protocol, rows


def compare_runs(one: Sequence[Path], other: Sequence[Path], across: Collection[str] = ()) -> pd.DataFrame:
    """Difference of two runs, metric by metric.

    A pair is a video (or a video with a query); on each side its value is the mean over the seeds of that side. A seed
    means nothing to two scorers together, so that the sides may have different seeds, and different numbers of them: a
    scorer that does not depend on the seed needs one run. Videos, not seeds, are drawn again for the 95 % interval:
    seeds of one video are not independent. The p-value is of the two-sided sign-flip permutation test on the videos'
    differences. Queries are drawn where there are some: the interval then says nothing about other videos.

    Args:
        one: A run's folder, or those of its seeds; kept runs as `open_run` takes them.
        other: The same of what it is compared with.
        across: Parts of the protocol's evaluation, such as ``selection``, in which the sides may differ.

    Returns:
        A row a metric: ``metric``, ``one``, ``other``, ``difference`` (one - other), ``low``, ``high``, ``p``,
        ``pairs`` and ``what`` they are: videos or queries, and over how many seeds of each side their values are means;
        ``only_one`` and ``only_other``, how many of these one side alone has, which are dropped; and ``across``, the
        parts in which the protocols differ, with both values.

    Raises:
        UserError: The runs were measured by different protocols, in more than is said, or have no video in common.
    """
    (left, rows), (right, others) = read_run(one), read_run(other)
    differences = _differences(left, right, across)
    names = [name for name in METRICS if name in rows and name in others]
    keys = [name for name in ("video", "query") if name in rows]
    ours, theirs = (table.groupby(keys)[names].mean() for table in (rows, others))
    common_pairs = ours.index.intersection(theirs.index)
    if common_pairs.empty:
        raise UserError("these runs have no test video in common")
    dropped = {"only_one": len(ours) - len(common_pairs), "only_other": len(theirs) - len(common_pairs)}
    ours, theirs = ours.loc[common_pairs], theirs.loc[common_pairs]
    seeds = [table["seed"].nunique() for table in (rows, others)]
    counts = " and ".join(dict.fromkeys(map(str, seeds)))
    over = "" if seeds == [1, 1] else f", means over {counts} seeds"
    what = f"{'queries' if 'query' in keys else 'videos'}{over}"
    shared = {"what": what, **dropped, "across": "; ".join(differences)}
    return pd.DataFrame([_difference(name, ours[name], theirs[name]) | shared for name in names])


def _differences(left: Protocol, right: Protocol, across: Collection[str]) -> list[str]:
    """In which of the parts that may differ the protocols do; a UserError where they do in others, or not in these."""
    one, other = left.evaluation, right.evaluation
    for name in across:
        if name not in one:
            raise UserError(f"--across: {name!r} is no part of a protocol's evaluation; there are {', '.join(one)}")
        if one[name] == other[name]:
            raise UserError(f"--across: {name} is {one[name]} on both sides; omit it")
    differences = evaluation_differences(left, right)
    if wrong := [line for line in differences if line.partition(":")[0] not in across]:
        names = ",".join(line.partition(":")[0] for line in differences)
        way_out = f"--across {names} compares them all the same"
        raise UserError(f"these runs cannot be compared, their protocols differ in {'; '.join(wrong)}; {way_out}")
    return differences


def _difference(name: str, one: "pd.Series[float]", other: "pd.Series[float]") -> dict[str, float | str]:
    differences = (one - other).to_numpy()  # (videos,)
    low, high = bootstrap_interval(differences.tolist())
    return {
        "metric": name,
        "one": float(one.mean()),
        "other": float(other.mean()),
        "difference": float(differences.mean()),
        "low": low,
        "high": high,
        "p": permutation_p(differences.tolist()),
        "pairs": len(differences),
    }


def permutation_p(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p-value of the mean of paired differences (one a video) under random signs and the observed ones."""
    array = np.asarray(differences, dtype=np.float64)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(PERMUTATIONS, len(array)))
    drawn = np.abs((signs * array).mean(axis=1))  # (permutations,)
    return float((1 + (drawn >= abs(array.mean()) - 1e-12).sum()) / (1 + PERMUTATIONS))
