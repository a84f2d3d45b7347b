"""`clipit prepare`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError

if TYPE_CHECKING:
    from clipit_lightning.pipelines.collect import Collection

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_DESCRIPTION = """\
Make a store of raw videos: frames, features, shots, captions. An interrupted run continues with the same command.
Videos that cannot be read are skipped and listed at the end (exit status 1); 2 where none could be read.

  clipit prepare holiday.mp4 clips/ --to data/mine.h5 --encoder hsv
  clipit prepare --dataset summe ~/downloads/SumMe --encoder open_clip:ViT-B-32/laion2b_s34b_b79k
  torchrun --nproc-per-node 4 $(which clipit) prepare ...     several processes, on several machines with --nnodes
"""

_FORMATS = """\
encoders:
  open_clip:MODEL/PRETRAINED      open_clip's weights by name, as open_clip:ViT-B-32/laion2b_s34b_b79k
  open_clip:MODEL//path/weights   the same model with weights from a file
  hf:OWNER/NAME, hf:/path/folder  CLIP or SigLIP of transformers, as hf:openai/clip-vit-base-patch32
  hsv                             colour histograms: no weights, no language

labels (--labels), CSV with a header, a line a part; JSON is a list of objects with the same names:
  video,annotator,start,end,score
  holiday,anna,12.5,20,1
  holiday,ben,0,120,0
  start and end are seconds. score is from 0 to 1, by default 1: all 0 or 1 are summaries, others are ratings.
  What no part covers has 0; an annotator who keeps nothing has a line of score 0.

captions (--captions): .srt or .vtt subtitles, or JSON, a list of {"time": 12.5, "text": "a dog runs"}.
"""


def add_prepare(commands: Commands) -> None:
    """Add `clipit prepare`."""
    prepare = commands.add_parser(
        "prepare",
        help="raw videos to a store: frames, features, shots, captions",
        description=_DESCRIPTION,
        epilog=_FORMATS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = prepare.add_argument
    add("videos", nargs="*", type=Path, metavar="VIDEO", help="video files, and folders searched to any depth")
    add("--to", type=Path, metavar="FILE.h5", help="the store (with --dataset, default: data/NAME.h5)")
    add("--encoder", metavar="NAME", help="of the frames, see below; there is no default")
    sampling = prepare.add_mutually_exclusive_group()
    sampling.add_argument("--stride", type=int, help="take every STRIDE-th frame; the field's files have 15")
    sampling.add_argument("--rate", type=float, default=2.0, help="take RATE frames a second (default: 2)")
    captions = prepare.add_mutually_exclusive_group()
    captions.add_argument(
        "--captions", type=Path, metavar="PATH", help="your captions: a file, or a folder of NAME.srt"
    )
    captions.add_argument("--captioner", metavar="NAME", help="describe frames by a model of transformers, or a folder")
    add("--n-captions", type=int, default=7, help="frames that it describes of each video (default: 7)")
    add("--caption-cache", type=Path, metavar="FOLDER", help="keep its captions there for other runs")
    add("--labels", type=Path, metavar="FILE", help="your annotations, .csv or .json, see below")
    add(
        "--dataset",
        nargs=2,
        metavar=("NAME", "ROOT"),
        help="summe or tvsum, and the folder with its videos and annotations as its authors distribute them",
    )
    add("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: auto)")
    add("--precision", default="fp32", choices=("fp32", "bf16", "fp16", "auto"), help="of the models (default: fp32)")
    add("--batch-size", type=int, default=32, help="frames at once (default: 32)")
    add("--devices", type=int, default=1, metavar="N", help="processes on this machine, each on a GPU of its own")
    add("--force", action="store_true", help="replace a store of other videos or settings")
    add("--keep", action="store_true", help="keep the working folder FILE.h5.parts, for other labels or more videos")
    prepare.set_defaults(function=_prepare)


def _prepare(options: argparse.Namespace) -> int:
    from clipit_lightning.video.encoders import KINDS

    if options.encoder is None:
        raise UserError(f"--encoder: name one: {', '.join(KINDS)} (hsv needs no weights, and has no language)")
    to = _store(options)
    collection = _collection(options, to)

    from clipit_lightning.pipelines.prepare import Settings, prepare

    names = ("encoder", "stride", "rate", "captioner", "n_captions", "device", "precision", "batch_size")
    settings = Settings(**{name: getattr(options, name) for name in names}, caption_cache=options.caption_cache)
    say = partial(print, flush=True)
    found = prepare(collection, to, settings, options.devices, options.force, options.keep, say)
    if found is None:  # another process has the result
        return 0
    say(f"{found.path}: {found.n_videos} videos{', sound' if found.sound else ''}")
    if not found.skipped:
        return 0
    print(f"{len(found.skipped)} videos were skipped; mend them, and the same command adds them:", file=sys.stderr)
    for name, reason in found.skipped.items():
        print(f"  {name}: {reason}", file=sys.stderr)
    return 1


def _store(options: argparse.Namespace) -> Path:
    """Where the store is written to; contradictions are refused here."""
    if bool(options.videos) == bool(options.dataset):
        raise UserError("name videos or folders, or --dataset summe|tvsum ROOT; not both")
    if options.dataset and options.labels:
        raise UserError("--labels: are for your own videos; --dataset brings its annotations")
    if options.to is None and not options.dataset:
        raise UserError("--to: name the store, such as --to data/mine.h5")
    to: Path = options.to or Path("data") / f"{options.dataset[0]}.h5"
    if to.suffix != ".h5":
        raise UserError(f"--to: {to}: a store's name ends with .h5")
    return to


def _collection(options: argparse.Namespace, to: Path) -> Collection:
    from clipit_lightning.pipelines.collect import DATASETS, from_benchmark, from_files, with_captions
    from clipit_lightning.pipelines.labels import read_labels

    if options.dataset:
        name, root = options.dataset
        if name not in DATASETS:
            raise UserError(f"--dataset: {name}: there are {', '.join(DATASETS)}")
        collection = from_benchmark(name, Path(root))
    else:
        labels = read_labels(options.labels) if options.labels else None
        collection = from_files(options.videos, to.stem, labels)
    return with_captions(collection, options.captions) if options.captions else collection
