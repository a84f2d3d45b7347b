"""``QueryVideo``: a video that is summarized once for every query, and ``QueryItem``: the video with one query."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class QueryVideo:
    """A video with queries. Its steps are shots of equal length: each has one feature vector, tags, and a score."""

    dataset: str
    """Name of its benchmark, such as ``qfvs``."""
    key: str
    """Its key there, such as ``P01``."""
    features: NDArray[np.float32]
    """Features of the shots, (shots, features)."""
    tags: NDArray[np.uint8]
    """1 where a shot shows a concept, (shots, concepts)."""
    concepts: tuple[str, ...]
    """Names of the concepts, (concepts,)."""
    queries: NDArray[np.int64]
    """The concepts of each query, as positions in ``concepts``, (queries, phrases)."""
    query_features: NDArray[np.float32]
    """Their embeddings, (queries, phrases, features)."""
    oracle: NDArray[np.uint8]
    """1 where a shot is in the query's oracle summary, (queries, shots)."""
    shot_seconds: float
    """Length of a shot in seconds."""
    sentences: tuple[str, ...] = ()
    """The queries as sentences, where known, (queries,)."""
    sentence_features: NDArray[np.float32] | None = None
    """Their embeddings, (queries, features)."""
    captions: tuple[str, ...] = ()
    """Captions of the video in time order, where known, (captions,)."""
    caption_features: NDArray[np.float32] | None = None
    """Their embeddings, (captions, features)."""

    @property
    def id(self) -> str:
        """Benchmark and key: ``qfvs/P01``."""
        return f"{self.dataset}/{self.key}"

    @property
    def n_steps(self) -> int:
        """Number of shots."""
        return len(self.features)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Each query by the names of its concepts, as in the names of the oracle files: ``Car_Food``."""
        return tuple("_".join(self.concepts[concept] for concept in query) for query in self.queries)

    @cached_property
    def oracle_captions(self) -> NDArray[np.float32]:
        """What the annotators saw in each shot: the mean embedding of its tags that queries name, (shots, features).

        Shots without such a tag are omitted.
        """
        named, first = np.unique(self.queries, return_index=True)
        embeddings = self.query_features.reshape(-1, self.query_features.shape[-1])[first]  # (named, features)
        tags = self.tags[:, named].astype(np.float32)  # (shots, named)
        tags = tags[tags.any(axis=1)]  # (tagged shots, named)
        captions: NDArray[np.float32] = tags @ embeddings / tags.sum(axis=1, keepdims=True)
        return captions

    def items(self) -> list["QueryItem"]:
        """The video once with each query."""
        return [QueryItem(self, query) for query in range(len(self.queries))]


@dataclass(frozen=True, eq=False)
class QueryItem:
    """A video with one of its queries: what is scored, under the names that a batch reads of a ``Video`` too."""

    video: QueryVideo
    query: int
    """Position of the query in the video's ``queries``."""
    is_annotated = True  # every query has an oracle summary

    @property
    def dataset(self) -> str:
        """Name of the benchmark."""
        return self.video.dataset

    @property
    def id(self) -> str:
        """Unique over benchmarks: ``qfvs/P01/Car_Food``."""
        return f"{self.video.id}/{self.video.names[self.query]}"

    @property
    def features(self) -> NDArray[np.float32]:
        """Features of the shots, (shots, features): one array that all queries of the video share."""
        return self.video.features

    @property
    def n_steps(self) -> int:
        """Number of shots."""
        return self.video.n_steps

    @property
    def gtscore(self) -> NDArray[np.float32]:
        """1 at the oracle's shots, (shots,)."""
        return self.oracle.astype(np.float32)

    gtsummary = gtscore

    @property
    def oracle(self) -> NDArray[np.uint8]:
        """1 at the oracle's shots, (shots,)."""
        row: NDArray[np.uint8] = self.video.oracle[self.query]
        return row

    def text(self, sentence: bool = False) -> NDArray[np.float32]:
        """The embeddings of the query's phrases, and of its ``sentence`` where asked for, (tokens, features).

        Raises:
            ValueError: The sentence is asked for, and the video has no embeddings of sentences.
        """
        phrases: NDArray[np.float32] = self.video.query_features[self.query]  # (phrases, features)
        if not sentence:
            return phrases
        if self.video.sentence_features is None:
            raise ValueError(f"{self.video.id} has no sentence_features")
        return np.concatenate([phrases, self.video.sentence_features[self.query][None]])
