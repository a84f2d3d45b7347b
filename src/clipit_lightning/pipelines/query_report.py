"""The part of a report on videos with queries: each query's shot scores, the oracle, and the chosen shots' tags."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.evaluation.matching import Shots
from clipit_lightning.evaluation.protocol import query_rules_of
from clipit_lightning.pipelines.footage import Footage, find_files, open_footage
from clipit_lightning.pipelines.page import Curve, KeyFrame, Shot, Span, Track, VideoPage, address, metrics_of
from clipit_lightning.training.finished_run import FinishedRun

_MOST_KEY_FRAMES = 4


class _Query(NamedTuple):
    """A query of a run, with what was predicted and measured."""

    item: QueryItem
    scores: NDArray[np.float64]
    """(shots,)."""
    chosen: Shots
    row: Mapping[Any, Any]


def query_pages(run: FinishedRun, to: Path, folder: Path | None) -> Iterator[VideoPage]:
    """The tested queries of a run, lowest F1 first, for a page at ``to``; a folder may hold video files.

    Raises:
        UserError: Queries or scores do not fit the store, or the folder holds none of the videos.
    """
    videos = {video.key: video for video in run.store.read_queries()}
    queries = _queries(run, videos)
    tested = {query.item.video.key: query.item.video for query in queries}
    files = find_files(folder, dict.fromkeys(tested, ""))
    opened, pictures = {}, {}
    for key, video in tested.items():
        footage, _ = opened[key] = open_footage(files.get(key), duration=video.n_steps * video.shot_seconds)
        if footage:
            shown = {at for query in queries if query.item.video is video for at in _key_shots(query)}
            frames = {at: footage.frame_at((at + 0.5) * video.shot_seconds) for at in shown}
            jpegs = footage.key_frames(sorted(frames.values()))
            pictures[key] = {at: jpegs[frame] for at, frame in frames.items()}
    for query in queries:
        key = query.item.video.key
        yield _page(query, *opened[key], pictures.get(key, {}), to)


def _queries(run: FinishedRun, videos: Mapping[str, QueryVideo]) -> list[_Query]:
    """The tested queries, lowest F1 first."""
    items = {(key, item.id.rpartition("/")[2]): item for key, video in videos.items() for item in video.items()}
    rules = query_rules_of(run.config.protocol, run.result.dataset)
    queries = []
    for row in run.rows.sort_values("f1", kind="stable").to_dict("records"):
        item = items.get((str(row["video"]).rpartition("/")[2], str(row["query"])))
        if item is None:
            raise UserError(f"{run.run.per_video_file}: {row['video']}: the store has no query {row['query']}")
        scores = run.scores_of(f"{row['video']}/{row['query']}", item.n_steps)
        queries.append(_Query(item, scores, rules.choose(scores), row))
    return queries


def _key_shots(query: _Query) -> list[int]:
    """The chosen shots of highest score, in time order."""
    best = query.chosen[np.argsort(-query.scores[query.chosen], kind="stable")[:_MOST_KEY_FRAMES]]
    return [int(shot) for shot in np.sort(best)]


def _page(
    query: _Query,
    footage: Footage | None,
    facts: tuple[tuple[str, str], ...],
    pictures: Mapping[int, bytes],
    to: Path,
) -> VideoPage:
    item, video = query.item, query.item.video
    seconds = video.shot_seconds
    names = [video.concepts[concept] for concept in video.queries[item.query]]
    oracle = np.flatnonzero(item.oracle)
    both = len(np.intersect1d(query.chosen, oracle))
    return VideoPage(
        title=f"{video.key}: {', '.join(names)}",
        source=f"fold {query.row['fold']}",
        query=video.sentences[item.query] if video.sentences else " and ".join(names),
        duration=item.n_steps * seconds,
        curve=Curve(np.arange(item.n_steps) * seconds, query.scores, "Predicted score"),
        shots=_shots(query, oracle),
        tracks=(Track("Oracle shots", tuple(Span(at * seconds, (at + 1) * seconds) for at in oracle.tolist())),),
        video=address(footage.path, to) if footage else None,
        key_frames=tuple(
            KeyFrame((at + 0.5) * seconds, pictures[at], _tags(video, at)) for at in _key_shots(query) if at in pictures
        ),
        metrics=metrics_of(query.row),
        facts=(("Oracle", f"{len(oracle)} shots, {both} of them chosen"), *facts),
    )


def _shots(query: _Query, oracle: Shots) -> tuple[Shot, ...]:
    """All shots; the chosen ones with their tags, and a word where the oracle has them, too."""
    video, seconds = query.item.video, query.item.video.shot_seconds
    texts = {at: _tags(video, at) for at in query.chosen.tolist()}
    texts |= {at: f"{texts[at]} (in the oracle)" for at in oracle.tolist() if at in texts}
    return tuple(
        Shot(at * seconds, (at + 1) * seconds, at in texts, text=texts.get(at, "")) for at in range(query.item.n_steps)
    )


def _tags(video: QueryVideo, shot: int) -> str:
    return ", ".join(video.concepts[concept] for concept in np.flatnonzero(video.tags[shot])) or "no tag"
