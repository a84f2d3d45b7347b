"""Measure how fast the summary and the metrics are: ``python experiments/benchmark_metrics.py --data STORES``.

Prints one line a figure: seconds on one core, and how many times faster that is than a loop over the references with
scipy. The stores come from ``clipit data import``. Set OMP_NUM_THREADS=1 to hold numpy to one core.
"""

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.floors import random_draws
from clipit_lightning.evaluation.matching import QueryRules, Shots, measure_query, query_drops
from clipit_lightning.evaluation.rules import Rules, correlate, measure, references
from clipit_lightning.summary.key_shots import frame_scores

LONG_FRAMES, LONG_STEPS, LONG_SHOTS, ANNOTATORS = 1_000_000, 72_000, 6_700, 20


def seconds(call: Callable[[], Any]) -> float:
    """Wall-clock seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def say(what: str, taken: float, scipy: float | None = None) -> None:
    """Print a figure, and its ratio to the loop with scipy where there is one."""
    ratio = f"   scipy loop {scipy:8.3f} s, {scipy / taken:6.1f} times as long" if scipy else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:<64} {taken:8.3f} s   peak {peak:.2f} GiB{ratio}", flush=True)


def scipy_loop(video: Video, judged: NDArray[np.float64], rule: str) -> list[tuple[Any, Any]]:
    """Both correlations with each reference, one scipy call each."""
    rows = references(video, rule).astype(np.float64)
    return [(stats.kendalltau(judged, row), stats.spearmanr(judged, row)) for row in rows]


def on_benchmark(name: str, videos: list[Video], rng: np.random.Generator) -> None:
    """F1 and both correlations of all videos by the default rules, and 100 random draws."""
    rules = Rules(BENCHMARKS[name].f1_convention, BENCHMARKS[name].correlation)
    scores = [rng.random(video.n_steps) for video in videos]
    pairs = list(zip(videos, scores, strict=True))
    summaries = [rules.summary(*pair) for pair in pairs]
    taken = seconds(
        lambda: [correlate(*pair, summary, rules.correlation) for pair, summary in zip(pairs, summaries, strict=True)]
    )
    loop = seconds(lambda: [scipy_loop(video, row, rules.correlation) for video, row in pairs])
    say(f"{name}: both correlations of {len(videos)} videos, {rules.correlation}", taken, loop)
    say(f"{name}: summary, F1 and both correlations", seconds(lambda: [measure(*pair, rules) for pair in pairs]))
    say(f"{name}: random floor of 100 draws", seconds(lambda: random_draws(videos, rules, 100, 0)))


def on_queries(videos: list[QueryVideo], rng: np.random.Generator) -> None:
    """Semantic matching of one query, and of all, with random scores; and the query drop of a video."""
    rules = QueryRules()
    chosen = {item.id: rules.choose(rng.random(item.n_steps)) for video in videos for item in video.items()}
    items = [item for video in videos for item in video.items()]
    most = max(items, key=lambda item: int(item.oracle.sum()) * len(chosen[item.id]))
    size = f"{len(chosen[most.id])} against {int(most.oracle.sum())} shots"
    say(f"qfvs: matching one query, {size} (mean of 100)", seconds(lambda: _often(most, chosen[most.id])) / 100)
    say(
        f"qfvs: matching {len(items)} queries",
        seconds(lambda: [measure_query(each, chosen[each.id]) for each in items]),
    )
    own = {item.query: chosen[item.id] for item in videos[0].items()}
    say(f"qfvs: query drop of {videos[0].key}, {len(own)} queries", seconds(lambda: query_drops(videos[0], own)))


def _often(item: QueryItem, chosen: Shots) -> None:
    for _ in range(100):
        measure_query(item, chosen)


def long_video(rng: np.random.Generator) -> Video:
    """Ten hours: random shots, 20 annotators' 0/1 summaries."""
    cuts = np.sort(rng.choice(np.arange(1, LONG_FRAMES), LONG_SHOTS - 1, replace=False))
    shots = np.stack([np.append(0, cuts), np.append(cuts, LONG_FRAMES) - 1], axis=1)
    return Video(
        "summe",
        "ten_hours",
        features=np.zeros((LONG_STEPS, 1), np.float32),
        picks=np.arange(LONG_STEPS) * LONG_FRAMES // LONG_STEPS,
        n_frames=LONG_FRAMES,
        change_points=shots,
        gtscore=rng.random(LONG_STEPS).astype(np.float32),
        gtsummary=np.zeros(LONG_STEPS, np.float32),
        user_summary=(rng.random((ANNOTATORS, LONG_FRAMES), dtype=np.float32) < 0.15).astype(np.uint8),
    )


def on_ten_hours(rng: np.random.Generator) -> None:
    """The summary of a ten-hour video by each solver, and every correlation rule on it."""
    video, rules = long_video(rng), Rules("max", "binary-summary")
    scores = rng.random(video.n_steps)
    say("10 hours: summary, exact knapsack", seconds(lambda: rules.summary(video, scores)))
    say(
        "10 hours: summary, greedy",
        seconds(lambda: Rules("max", "per-annotator", solver="greedy").summary(video, scores)),
    )
    summary = rules.summary(video, scores)
    spread = frame_scores(scores, video.picks, video.n_frames)
    judged_by_rule: dict[str, NDArray[np.float64]] = {
        "per-annotator": scores,
        "mean-annotator": scores,
        "all-frames": spread,
        "mean-annotator-all-frames": spread,
        "binary-summary": summary.astype(np.float64),
    }
    for rule, judged in judged_by_rule.items():
        taken = seconds(partial(correlate, video, scores, summary, rule))
        say(f"10 hours x {ANNOTATORS} annotators: {rule}", taken, seconds(partial(scipy_loop, video, judged, rule)))


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder with tvsum.h5, summe.h5, and perhaps qfvs.h5"
    )
    folder = parser.parse_args().data
    for name in ("tvsum", "summe"):
        on_benchmark(name, Store(folder / f"{name}.h5").read(), np.random.default_rng(0))
    if (folder / "qfvs.h5").exists():
        on_queries(Store(folder / "qfvs.h5").read_queries(), np.random.default_rng(0))
    on_ten_hours(np.random.default_rng(0))


if __name__ == "__main__":
    main()
