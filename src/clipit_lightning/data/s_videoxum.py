"""S-VideoXum and S-NewsVSum (Mylonas, Apostolidis, Mezaris, "SD-VSum", ACM MM 2025, arXiv 2505.03319).

S-VideoXum extends VideoXum, videos of ActivityNet Captions with ten annotators' summaries each: a script, written by
LLaVA-NeXT-7B, tells what each summary shows. One step a second, features of frames and of sentences by VideoXum's
fine-tuned CLIP. Distributed at Zenodo as ``script_videoxum.h5``, a group a video: ``video_embeddings`` (steps, 512),
``text_embeddings`` (10, M, 512) with zeros behind a script's last sentence, ``gtsummaries`` (10, steps) of 0 and 1,
``n_frames``, and ``multimodal_text_embeddings`` of the whole video, which we do not read; beside it the parts, a JSON
of lists ``train``, ``val`` and ``test``, and the scripts as ``Scripts/NAME_0.txt`` to ``NAME_9.txt``.

S-NewsVSum: 45 edited videos of a media company, two steps a second, with one script each, as ``S_NewsVSum.h5`` of the
same arrays, ``text_embeddings`` (M, 512) and ``gtsummaries`` (1, steps), and five folds of train and test lists.

Read in README and ``model/data_loader.py`` of github.com/IDT-ITI/SD-VSum (commit d896c93). Where they differ: the
README calls the summaries ``gtsummaries`` and the parts ``script_videoxum_splits.json``, the loader ``gtscores`` and
``script_videoxum_split.json``: all are taken. The README has 6,782 videos for training, 3,419 for validation and 1,707
for testing. That is the other way round than in VideoXum (8,000, 2,001 and 4,000 by its data card), of which they are
what is left, so that we take the last two for swapped; the import follows the lists, and prints what they hold.
Licence: academic, non-commercial use, as the repository says of all its material (Zenodo's page was not read).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data.benchmark import Benchmark, FileImport, Source
from clipit_lightning.data.distributed import DistributedVideos, describe_parts, read_splits
from clipit_lightning.data.schema import open_group, read_member
from clipit_lightning.data.script_video import ScriptVideo

SPLITS = {"train": 6782, "validation": 1707, "test": 3419}
"""Videos of each part of S-VideoXum; of the README, with its last two exchanged."""
_SUMMARIES = ("gtsummaries", "gtscores")


def read_s_videoxum(paths: Sequence[Path], features: str | None = None) -> FileImport:
    """Join S-VideoXum's features, parts and, where they lie there, texts of scripts. Videos are read when needed.

    Args:
        paths: All files under the searched folders.
        features: Which features to take, NAME of ``script_videoxum_NAME.h5``, where there are several.

    Raises:
        UserError: A file is damaged, or a video is in two parts.
    """
    name, path = _find(paths, r"script_videoxum_?(.*)", features, "s-videoxum")
    lists = [path for path in paths if re.fullmatch(r"script_videoxum_splits?\.json", path.name, re.IGNORECASE)]
    if path is None or not lists:
        return FileImport(features=name, missing="script_videoxum_split.json" if name else "all")
    splits = read_splits(lists[-1])
    with open_hdf5(path, texts=False) as file:
        there = set(file)
    texts = {path.stem: path for path in paths if path.suffix == ".txt" and path.parent.name == "Scripts"}
    videos = DistributedScripts(path, "s-videoxum", {key: splits[key] for key in splits if key in there}, 1.0, texts)
    parts, notices = describe_parts(videos.splits, SPLITS)
    if extra := there - set(splits):
        notices.append(f"{len(extra)} videos are in no part, and are omitted")
    if not videos:
        return FileImport(features=name, missing="features of the listed videos")
    return FileImport(videos, name, notices, annotations=f"a summary for each script; {parts}")


def read_s_newsvsum(paths: Sequence[Path], features: str | None = None) -> FileImport:
    """Read S-NewsVSum, as ``read_s_videoxum`` does; its folds come with this package."""
    name, path = _find(paths, r"s_newsvsum_?(.*)", features, "s-newsvsum")
    if path is None:
        return FileImport(missing="all")
    with open_hdf5(path, texts=False) as file:
        keys = list(file)
    videos = DistributedScripts(path, "s-newsvsum", dict.fromkeys(keys, ""), 0.5, {})
    notices = [] if len(videos) == S_NEWSVSUM.n_videos else [f"{len(videos)} of {S_NEWSVSUM.n_videos} videos"]
    return FileImport(videos, name, notices, annotations="a summary and its script for each video")


def _find(paths: Sequence[Path], pattern: str, wanted: str | None, dataset: str) -> tuple[str, Path | None]:
    """Name and file of the features; a UserError where there are several and none of them is named."""
    named = [(path, re.fullmatch(pattern, path.stem, re.IGNORECASE)) for path in paths]
    files = {match[1] or "clip": path for path, match in named if match and path.suffix.lower() in (".h5", ".hdf5")}
    chosen = [name for name in files if wanted in (None, name)]
    if len(chosen) > 1:
        raise UserError(f"{dataset}: several sets of features: {', '.join(files)}; name one with --features NAME")
    return (chosen[0], files[chosen[0]]) if chosen else ("", None)


class DistributedScripts(DistributedVideos[ScriptVideo]):
    """The videos of a distributed file with scripts.

    Args:
        path: The HDF5 file.
        dataset: Name of the benchmark.
        splits: The part of each video, or an empty text, by its name; videos keep this order.
        step_seconds: Seconds from one step to the next.
        texts: Files of the scripts by their stem, such as ``v_abc_3``.
    """

    def __init__(
        self, path: Path, dataset: str, splits: Mapping[str, str], step_seconds: float, texts: Mapping[str, Path]
    ) -> None:
        super().__init__(path, splits)
        self.dataset, self.step_seconds, self.texts = dataset, step_seconds, texts

    def _read(self, key: str) -> ScriptVideo:
        with open_hdf5(self.path, texts=False) as file:
            group = open_group(file, key)
            name = next((name for name in _SUMMARIES if name in set(group)), _SUMMARIES[0])
            features, sentences, summaries = (
                read_member(group, member) for member in ("video_embeddings", "text_embeddings", name)
            )
        sentences = sentences[None] if sentences.ndim == 2 else sentences  # (scripts, sentences, features)
        summaries = np.atleast_2d(summaries)  # (scripts, steps)
        if not np.isin(summaries, (0, 1)).all():
            raise ValueError(f"{name} has values other than 0 and 1")
        if sentences.ndim != 3 or summaries.shape != (len(sentences), len(features)):
            shapes = ", ".join(str(array.shape) for array in (features, sentences, summaries))
            raise ValueError(f"shapes of features, sentences and summaries do not fit: {shapes}")
        return ScriptVideo(
            dataset=self.dataset,
            key=key,
            features=features.astype(np.float32),
            script_features=sentences.astype(np.float32),
            summaries=summaries.astype(np.uint8),
            step_seconds=self.step_seconds,
            split=self.splits[key],
            script_texts=self._told(key, summaries),
        )

    def _told(self, key: str, summaries: NDArray[Any]) -> tuple[str, ...]:
        """The texts of a video's scripts; none where one is missing."""
        files = [self.texts.get(f"{key}_{script}") for script in range(len(summaries))]
        there = [file for file in files if file is not None]
        if len(there) < len(files):
            return ()
        return tuple(" ".join(file.read_text(encoding="utf-8", errors="replace").split()) for file in there)


_LICENCE = "academic, non-commercial use"
S_VIDEOXUM = Benchmark(
    name="s-videoxum",
    title="S-VideoXum",
    kind="scripts",
    n_videos=sum(SPLITS.values()),
    families=("official",),
    read_files=read_s_videoxum,
    how_to_get="script_videoxum.h5 and script_videoxum_splits.json from https://zenodo.org/records/15349075",
    sources=(
        Source(
            name="s-videoxum",
            title="S-VideoXum: 11,908 videos, each with ten summaries and their scripts (Mylonas et al., ACM MM 2025)",
            licence=_LICENCE,
            how_to_get="script_videoxum.h5, script_videoxum_splits.json and, for reports, `Text Annotations` from "
            "https://zenodo.org/records/15349075; then run `clipit data import FOLDER`",
        ),
    ),
)
S_NEWSVSUM = Benchmark(
    name="s-newsvsum",
    title="S-NewsVSum",
    kind="scripts",
    n_videos=45,
    families=("official",),
    read_files=read_s_newsvsum,
    how_to_get="dataset/S_NewsVSum.h5 of https://github.com/IDT-ITI/SD-VSum",
    sources=(
        Source(
            name="s-newsvsum",
            title="S-NewsVSum: 45 edited videos with their scripts (Mylonas et al., ACM MM 2025)",
            licence=_LICENCE,
            how_to_get="dataset/S_NewsVSum.h5 of https://github.com/IDT-ITI/SD-VSum; then run "
            "`clipit data import FOLDER`",
        ),
    ),
)
