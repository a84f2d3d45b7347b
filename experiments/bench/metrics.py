"""Summaries and metrics of whole benchmarks, of queries and of ten hours of video, against scipy and the usual code."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.baselines import random_draws
from clipit_lightning.evaluation.matching import QueryRules, measure_query, query_drops
from clipit_lightning.evaluation.rules import CORRELATION_RULES, Rules, correlate, measure, references
from clipit_lightning.summary.key_shots import frame_scores
from experiments.bench.runner import Call, Options, Table
from experiments.bench.usual import USUAL_METRICS, usual_metrics

LONG_FRAMES, LONG_STEPS, LONG_SHOTS, ANNOTATORS = 1_000_000, 72_000, 6_700, 20


def tables(options: Options) -> Iterator[Table]:
    """Random scores throughout; QFVS where its store is there."""
    for name in ("tvsum", "summe"):
        yield from on_benchmark(name, Store(options.root / f"{name}.h5").read(), np.random.default_rng(0))
    if (options.root / "qfvs.h5").exists():
        yield from on_queries(Store(options.root / "qfvs.h5").read_queries(), np.random.default_rng(0))
    yield from on_ten_hours(np.random.default_rng(0))


def on_benchmark(name: str, videos: list[Video], rng: np.random.Generator) -> Iterator[Table]:
    """F1 and both correlations of all videos by the default rules, and 100 random draws."""
    rules = Rules(BENCHMARKS[name].f1_convention, BENCHMARKS[name].correlation)
    pairs = [(video, rng.random(video.n_steps)) for video in videos]
    summaries = [rules.summary(*pair) for pair in pairs]
    by_us = lambda: [  # noqa: E731
        correlate(*pair, summary, rules.correlation) for pair, summary in zip(pairs, summaries, strict=True)
    ]
    by_scipy = lambda: [scipy_loop(*pair, rules.correlation) for pair in pairs]  # noqa: E731
    variants = {"ours": by_us, "scipy, a loop over references": by_scipy}
    yield Table(f"both correlations of {name}, {rules.correlation}", variants, tolerance=1e-9)
    variants = {
        "ours": lambda: [[measure(scores, video, rules)[metric] for metric in USUAL_METRICS] for video, scores in pairs]
    }
    if name == "tvsum":
        variants["usual code"] = lambda: [list(usual_metrics(*pair).values()) for pair in pairs]
    yield Table(f"summary, F1 and both correlations of {name}", variants, tolerance=1e-6)
    yield Table(f"random floor of {name}", {"100 draws": lambda: random_draws(videos, rules, 100, 0)}, warm=False)


def scipy_loop(video: Video, judged: NDArray[np.float64], rule: str) -> NDArray[np.float64]:
    """Means of both correlations over the references, one scipy call each, (2,)."""
    rows = references(video, rule).astype(np.float64)
    both = [(stats.kendalltau(judged, row)[0], stats.spearmanr(judged, row)[0]) for row in rows]
    return np.asarray(np.mean(both, axis=0))


def on_queries(videos: list[QueryVideo], rng: np.random.Generator) -> Iterator[Table]:
    """Semantic matching of one query and of all, and the query drop of a video."""
    rules, items = QueryRules(), [item for video in videos for item in video.items()]
    chosen = {item.id: rules.choose(rng.random(item.n_steps)) for item in items}
    most = max(items, key=lambda item: int(item.oracle.sum()) * len(chosen[item.id]))
    own = {item.query: chosen[item.id] for item in videos[0].items()}
    yield Table(
        f"matching of qfvs; one query has {len(chosen[most.id])} against {int(most.oracle.sum())} shots",
        {
            "one query, 100 times": lambda: [measure_query(most, chosen[most.id]) for _ in range(100)],
            f"{len(items)} queries": lambda: [measure_query(item, chosen[item.id]) for item in items],
            f"query drop of {len(own)} queries": lambda: query_drops(videos[0], own),
        },
    )


def on_ten_hours(rng: np.random.Generator) -> Iterator[Table]:
    """The summary of a ten-hour video by each solver, and every correlation rule on it."""
    video, rules = long_video(rng), Rules("max", "binary-summary")
    scores = rng.random(video.n_steps)
    greedy = Rules("max", "binary-summary", solver="greedy")
    solvers = {"greedy": partial(greedy.summary, video, scores), "exact": partial(rules.summary, video, scores)}
    yield Table("ten hours, summary", solvers, warm=False)
    summary = rules.summary(video, scores)
    judged: dict[str, Any] = {
        "steps": scores,
        "frames": frame_scores(scores, video.picks, video.n_frames),
        "summary": summary.astype(np.float64),
    }
    for name, rule in CORRELATION_RULES.items():
        variants: dict[str, Call] = {
            "ours": partial(correlate, video, scores, summary, name),
            "scipy, a loop over references": partial(scipy_loop, video, judged[rule.compares], name),
        }
        yield Table(f"ten hours, {ANNOTATORS} annotators, {name}", variants, tolerance=1e-9, warm=False)


def long_video(rng: np.random.Generator) -> Video:
    """Ten hours: random shots, 20 annotators' 0/1 summaries."""
    cuts = np.sort(rng.choice(np.arange(1, LONG_FRAMES), LONG_SHOTS - 1, replace=False))
    return Video(
        "summe",
        "ten_hours",
        features=np.zeros((LONG_STEPS, 1), np.float32),
        picks=np.arange(LONG_STEPS) * LONG_FRAMES // LONG_STEPS,
        n_frames=LONG_FRAMES,
        change_points=np.stack([np.append(0, cuts), np.append(cuts, LONG_FRAMES) - 1], axis=1),
        gtscore=rng.random(LONG_STEPS).astype(np.float32),
        gtsummary=np.zeros(LONG_STEPS, np.float32),
        user_summary=(rng.random((ANNOTATORS, LONG_FRAMES), dtype=np.float32) < 0.15).astype(np.uint8),
    )
