"""`clipit prepare` and `clipit summarize`."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from clipit_lightning.core.errors import UserError

if TYPE_CHECKING:
    from clipit_lightning.pipelines.collect import Collection
    from clipit_lightning.pipelines.trained_run import TrainedRun
    from clipit_lightning.summary.budget import Budget

_ENCODERS = """\
\b
encoders:
  open_clip:MODEL/PRETRAINED      open_clip's weights by name, as open_clip:ViT-B-32/laion2b_s34b_b79k
  open_clip:MODEL//path/weights   the same model with weights from a file
  hf:OWNER/NAME, hf:/path/folder  CLIP or SigLIP of transformers, as hf:openai/clip-vit-base-patch32
  hsv                             colour histograms: no weights, and no language
"""
PREPARE_FORMATS = f"""{_ENCODERS}
\b
labels (--labels), CSV with a header, a line a part; JSON is a list of objects with the same names:
  video,annotator,start,end,score
  holiday,anna,12.5,20,1
  holiday,ben,0,120,0
  start and end are seconds. score is from 0 to 1, by default 1: all 0 or 1 are summaries, others are ratings.
  What no part covers has 0; an annotator who keeps nothing has a line of score 0.

captions (--captions): .srt or .vtt subtitles, or JSON, a list of {{"time": 12.5, "text": "a dog runs"}}.
"""
SUMMARIZE_FORMATS = f"""\
\b
scores:
  --checkpoint RUN   a run of `clipit train`: the mean of its folds' scores, or one --fold; the encoder and the sampling
                     are the run's own where its store says them, and other features are refused
  --query            otherwise, similarity of frames and text; several phrases are parted by commas or "and"
  neither            otherwise, shots that represent the video, without repeats

{_ENCODERS}
\b
written into the folder, where files of these names are replaced and others stay:
  summary.mp4    the chosen shots with their sound, never longer than the budget; where not a single shot is that
                 short, the best part of one
  summary.html   the page, one file without network; it plays summary.mp4 beside it, and the whole video where it lies
  summary.json   shots and steps with times and scores, and how all was made
  cuts.csv, cuts.edl   the chosen shots for an editing program
"""
_FORMS = "write a share such as 0.15 or 15%, or a time such as 30s or 1m30s"

Precision = Literal["fp32", "bf16", "fp16", "auto"]
ENCODER = typer.Option(None, help="Of the frames, see below; there is no default but a run's own.")
STRIDE = typer.Option(None, help="Take every STRIDE-th frame; the field's files have 15.")
CAPTIONER = typer.Option(None, help="Caption frames by a model of transformers, or a folder.")
DEVICE = typer.Option("auto", help="cpu, cuda, cuda:1, ...")
PRECISION = typer.Option("fp32", help="Of the models.")
BATCH_SIZE = typer.Option(32, min=1, help="Frames at once.")
DATASET = typer.Option(None, help="summe or tvsum, and the folder of its authors' files.")


def prepare(
    videos: list[Path] | None = typer.Argument(None, metavar="[VIDEO]...", help="Files, and folders of them."),
    to: Path | None = typer.Option(None, help="The store (with --dataset, default: data/NAME.h5)."),
    encoder: str | None = ENCODER,
    stride: int | None = STRIDE,
    rate: float | None = typer.Option(None, help="Take RATE frames a second (default: 2)."),
    captions: Path | None = typer.Option(None, help="Your captions: a file, or a folder of NAME.srt."),
    captioner: str | None = CAPTIONER,
    n_captions: int = typer.Option(7, help="Frames that it captions of each video."),
    caption_cache: Path | None = typer.Option(None, help="Keep its captions there for other runs."),
    labels: Path | None = typer.Option(None, help="Your annotations, .csv or .json, see below."),
    dataset: tuple[str, str] | None = DATASET,
    device: str = DEVICE,
    precision: Precision = PRECISION,
    batch_size: int = BATCH_SIZE,
    devices: int = typer.Option(1, help="Processes on this machine, each on a GPU of its own."),
    force: bool = typer.Option(False, "--force", help="Replace a store of other videos or settings."),
    keep: bool = typer.Option(False, "--keep", help="Keep FILE.h5.parts, for other labels or videos."),
) -> int:
    r"""Make a store of raw videos: frames, features, shots, captions.

    An interrupted run continues with the same command. Videos that cannot be read are skipped and listed at the end
    (exit status 1); 2 where none could be read.

    \b
    clipit prepare holiday.mp4 clips/ --to data/mine.h5 --encoder hsv
    clipit prepare --dataset summe ~/downloads/SumMe --encoder open_clip:ViT-B-32/laion2b_s34b_b79k
    torchrun --nproc-per-node 4 $(which clipit) prepare ...     several processes, on several machines with --nnodes
    """
    _check_one_of(**{"--stride": stride, "--rate": rate})
    _check_one_of(**{"--captions": captions, "--captioner": captioner})
    encoder = _encoder(encoder)
    store, collection = _collection(to, videos, dataset, labels)

    from clipit_lightning.pipelines.collect import with_captions
    from clipit_lightning.pipelines.preparation import Settings
    from clipit_lightning.pipelines.preparation import prepare as prepare_store
    from clipit_lightning.video.frames import RATE

    if captions:
        collection = with_captions(collection, captions)
    rate = RATE if rate is None else rate
    settings = Settings(encoder, stride, rate, captioner, n_captions, device, precision, batch_size, caption_cache)
    prepared = prepare_store(collection, store, settings, devices, force, keep)
    if prepared is None:  # another process has the result
        return 0
    print(f"{prepared.path}: {prepared.n_videos} videos{', sound' if prepared.sound else ''}")
    if prepared.skipped:
        lines = [f"{len(prepared.skipped)} videos were skipped; fix them, and the same command adds them:"]
        lines += [f"  {name}: {reason}" for name, reason in prepared.skipped.items()]
        print("\n".join(lines), file=sys.stderr)
    return 1 if prepared.skipped else 0


def _collection(
    to: Path | None, videos: list[Path] | None, dataset: tuple[str, str] | None, labels: Path | None
) -> tuple[Path, Collection]:
    """The store's path, and the videos that it is made of."""
    from clipit_lightning.pipelines.collect import DATASETS, from_benchmark, from_files
    from clipit_lightning.pipelines.labels import read_labels

    if bool(videos) == bool(dataset):
        raise UserError("name videos or folders, or --dataset summe|tvsum ROOT; not both")
    if dataset and labels:
        raise UserError("--labels: are for your own videos; --dataset brings its annotations")
    store = to or (Path("data") / f"{dataset[0]}.h5" if dataset else None)
    if store is None or store.suffix != ".h5":
        raise UserError("--to: name the store, such as --to data/mine.h5; its name ends with .h5")
    if not dataset:
        return store, from_files(videos or [], store.stem, read_labels(labels) if labels else None)
    if dataset[0] not in DATASETS:
        raise UserError(f"--dataset: {dataset[0]}: there are {', '.join(DATASETS)}")
    return store, from_benchmark(dataset[0], Path(dataset[1]))


def summarize(
    video: Path = typer.Argument(..., metavar="VIDEO", help="The video file."),
    query: str | None = typer.Option(None, help='What to look for, such as "a dog, a red car".'),
    checkpoint: Path | None = typer.Option(None, help="Folder of a finished run that scores."),
    fold: int | None = typer.Option(None, help="The fold of the run that scores (default: the mean of all)."),
    exact: bool = typer.Option(False, "--exact", help="Compare all steps of a video beyond 4,096 steps, not windows."),
    encoder: str | None = ENCODER,
    budget: str = typer.Option("0.15", help="At most this much: 0.15 or 15% of the video, 30s, 1m30s."),
    to: Path | None = typer.Option(None, help="Folder for the results (default: NAME-summary, here)."),
    stride: int | None = STRIDE,
    rate: float | None = typer.Option(None, help="Take RATE frames a second (default: the run's, else 2)."),
    captions: Path | None = typer.Option(None, help="Your captions, for a run: .srt, .vtt or .json."),
    captioner: str | None = CAPTIONER,
    device: str = DEVICE,
    precision: Precision = PRECISION,
    batch_size: int = BATCH_SIZE,
) -> None:
    r"""Summarize a video: a short video to watch, and a page with the score curve, the chosen shots and key frames.

    \b
    clipit summarize holiday.mp4 --encoder hsv
    clipit summarize holiday.mp4 --encoder open_clip:ViT-B-32/laion2b_s34b_b79k --query "a dog" --budget 30s
    clipit summarize holiday.mp4 --checkpoint runs/NAME
    """
    from clipit_lightning.pipelines.summary import summarize as summarize_video
    from clipit_lightning.pipelines.trained_run import read_trained_run
    from clipit_lightning.video.captioner import load_captioner
    from clipit_lightning.video.captions import read_captions
    from clipit_lightning.video.encoders import make_encoder
    from clipit_lightning.video.frames import RATE
    from clipit_lightning.video.reader import open_video

    _check_one_of(**{"--stride": stride, "--rate": rate})
    _check_one_of(**{"--captions": captions, "--captioner": captioner, "--query": query})
    if fold is not None and checkpoint is None:
        raise UserError("--fold: is one of a run; name the run with --checkpoint")
    if checkpoint is None and exact:
        raise UserError("--exact: is of a trained run; name one with --checkpoint")
    if checkpoint is None and (captions or captioner):
        raise UserError("--captions, --captioner: are read by a trained run; name one with --checkpoint")
    length = parse_budget(budget)
    open_video(video).close()  # what is no video is an error before a model is loaded
    run = read_trained_run(checkpoint, fold, exact) if checkpoint else None
    sampling: dict[str, Any] = {"stride": stride, "rate": RATE if rate is None else rate}
    if run and stride is None and rate is None:
        sampling |= run.sampling
    summarize_video(
        video,
        to or Path(f"{video.stem}-summary"),
        make_encoder(_encoder(encoder, run), device, precision, batch_size),
        query,
        run,
        length,
        load_captioner(captioner, device, precision) if captioner else None,
        read_captions(captions) if captions else None,
        **sampling,
        batch_size=batch_size,
    )


def parse_budget(text: str) -> Budget:
    """Read ``0.15``, ``15%``, ``30s``, ``2m``, ``1m30s``, ``1h``: above 0, and no more than the whole video."""
    from clipit_lightning.summary.budget import Budget

    words = text.strip().lower()
    if match := re.fullmatch(r"(\d*\.?\d+)(%?)", words):
        share = float(match[1]) / (100 if match[2] else 1)
        if not 0 < share <= 1:
            raise UserError(f"--budget: {text} is not between nothing and the whole video; {_FORMS}")
        return Budget(share=share)
    time = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d*\.?\d+)s)?", words)
    units = zip(time.groups(), (3600, 60, 1), strict=True) if time else ()
    seconds = sum(float(count or 0) * unit for count, unit in units)
    if not 0 < seconds < math.inf:
        raise UserError(f"--budget: {text!r} is no length of a summary; {_FORMS}")
    return Budget(seconds=seconds)


def _check_one_of(**values: object) -> None:
    """Check that of some options at most one is given."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        raise UserError(f"{given[0]}: is not allowed with {given[1]}; give one of them")


def _encoder(name: str | None, run: TrainedRun | None = None) -> str:
    """The encoder's name: the user's or the run's, never a default."""
    from clipit_lightning.video.encoders import KINDS

    name = name or (run.result.store.get("encoder") if run else None)
    if name is None:
        why = " (the run does not say which one it was trained with)" if run else ""
        raise UserError(f"--encoder: name one: {', '.join(KINDS)} (hsv needs no weights, and has no language){why}")
    return name
