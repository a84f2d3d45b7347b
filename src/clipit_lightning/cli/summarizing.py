"""`clipit summarize`."""

from __future__ import annotations

import argparse
import math
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError

if TYPE_CHECKING:
    from clipit_lightning.pipelines.trained_scorer import TrainedRun
    from clipit_lightning.summary.budget import Budget

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_DESCRIPTION = """\
Summarize a video: a short video to watch, and a page with the score curve, the chosen shots and key frames.

  clipit summarize holiday.mp4 --encoder hsv
  clipit summarize holiday.mp4 --encoder open_clip:ViT-B-32/laion2b_s34b_b79k --query "a dog on the beach" --budget 30s
  clipit summarize holiday.mp4 --checkpoint runs/NAME
"""

_MORE = """\
scores:
  --checkpoint RUN   a run of `clipit train`: the mean of its folds' scores, or one --fold; the encoder and the sampling
                     are the run's own where its store says them, and other features are refused
  --query            otherwise, similarity of frames and text; several phrases are parted by commas or "and"
  neither            otherwise, shots that represent the video, without repeats

encoders:
  open_clip:MODEL/PRETRAINED      open_clip's weights by name, as open_clip:ViT-B-32/laion2b_s34b_b79k
  open_clip:MODEL//path/weights   the same model with weights from a file
  hf:OWNER/NAME, hf:/path/folder  CLIP or SigLIP of transformers, as hf:openai/clip-vit-base-patch32
  hsv                             colour histograms: no weights, and no language, so no --query

written into the folder, where files of these names are replaced and others stay:
  summary.mp4    the chosen shots with their sound, never longer than the budget; where not a single shot is that
                 short, the best part of one
  summary.html   the page, one file without network; it plays summary.mp4 beside it, and the whole video where it lies
  summary.json   shots and steps with times and scores, and how all was made
  cuts.csv, cuts.edl   the chosen shots for an editing program
"""

_FORMS = "write a share such as 0.15 or 15%, or a time such as 30s or 1m30s"


def add_summarize(commands: Commands) -> None:
    """Add `clipit summarize`."""
    summarize = commands.add_parser(
        "summarize",
        help="a raw video to a short video and a page, with or without a query",
        description=_DESCRIPTION,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = summarize.add_argument
    add("video", type=Path, metavar="VIDEO", help="the video file")
    add("--query", metavar="TEXT", help='what to look for, such as "a dog, a red car"')
    add("--checkpoint", type=Path, metavar="RUN", help="folder of a finished run that scores, such as runs/NAME")
    add("--fold", type=int, metavar="N", help="the fold of the run that scores (default: the mean of all)")
    add("--encoder", metavar="NAME", help="of the frames, see below (default: the run's; without a run there is none)")
    add("--budget", default="0.15", help="at most this much: 0.15 or 15%% of the video, 30s, 1m30s (default: 0.15)")
    add("--to", type=Path, metavar="DIR", help="folder for the results (default: NAME-summary, here)")
    sampling = summarize.add_mutually_exclusive_group()
    sampling.add_argument("--stride", type=int, help="take every STRIDE-th frame")
    sampling.add_argument("--rate", type=float, help="take RATE frames a second (default: the run's, else 2)")
    captions = summarize.add_mutually_exclusive_group()
    captions.add_argument("--captions", type=Path, metavar="FILE", help="your captions, for a run: .srt, .vtt or .json")
    captions.add_argument("--captioner", metavar="NAME", help="describe frames by a model of transformers, for a run")
    add("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: auto)")
    add("--precision", default="fp32", choices=("fp32", "bf16", "fp16", "auto"), help="of the models (default: fp32)")
    add("--batch-size", type=int, default=32, help="frames at once (default: 32)")
    summarize.set_defaults(function=_summarize)


def parse_budget(text: str) -> Budget:
    """Read ``0.15``, ``15%``, ``30s``, ``2m``, ``1m30s``, ``1h``.

    Raises:
        UserError: It is nothing of these, or not above 0, or more than the whole video.
    """
    from clipit_lightning.summary.budget import Budget

    words = text.strip().lower()
    if share := re.fullmatch(r"(\d*\.?\d+)(%?)", words):
        part = float(share[1]) / (100 if share[2] else 1)
        if not 0 < part <= 1:
            raise UserError(f"--budget: {text} is not between nothing and the whole video; {_FORMS}")
        return Budget(share=part)
    time = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d*\.?\d+)s)?", words)
    units = zip(time.groups(), (3600, 60, 1), strict=True) if time else ()
    seconds = sum(float(count or 0) * unit for count, unit in units)
    if not 0 < seconds < math.inf:
        raise UserError(f"--budget: {text!r} is no length of a summary; {_FORMS}")
    return Budget(seconds=seconds)


def _summarize(options: argparse.Namespace) -> int:
    from clipit_lightning.pipelines.progress import Progress
    from clipit_lightning.pipelines.summarize import summarize
    from clipit_lightning.pipelines.trained_scorer import read_trained_run
    from clipit_lightning.video.captioner import load_captioner
    from clipit_lightning.video.captions import read_captions
    from clipit_lightning.video.encoders import make_encoder
    from clipit_lightning.video.frames import RATE
    from clipit_lightning.video.reader import open_video

    _refuse_contradictions(options)
    budget = parse_budget(options.budget)
    open_video(options.video).close()  # what is no video is said before a model is loaded
    run = read_trained_run(options.checkpoint, options.fold) if options.checkpoint else None
    texts = read_captions(options.captions) if options.captions else None
    on = options.device, options.precision
    encoder = make_encoder(_encoder(options, run), *on, options.batch_size)
    captioner = load_captioner(options.captioner, *on) if options.captioner else None
    own = {name: getattr(options, name) for name in ("stride", "rate") if getattr(options, name) is not None}
    sampling = {"stride": None, "rate": RATE} | (own or (run.sampling if run else {}))
    try:
        summarize(
            options.video,
            options.to or Path(f"{options.video.stem}-summary"),
            encoder,
            options.query,
            run,
            budget,
            captioner,
            texts,
            **sampling,
            batch_size=options.batch_size,
            say=_say,
            progress=partial(Progress({0: 1}, _say).at, options.video.name),
        )
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise UserError(f"{options.video}: the memory is too small; choose a smaller --batch-size") from error
    return 0


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if options.fold is not None and options.checkpoint is None:
        raise UserError("--fold: is one of a run; name the run with --checkpoint")
    if options.checkpoint is None and (options.captions or options.captioner):
        raise UserError("--captions, --captioner: are read by a trained run; name one with --checkpoint")
    if options.query is not None and (options.captions or options.captioner):
        raise UserError("--query: takes the place of captions; leave --captions and --captioner away")
    if options.batch_size < 1:
        raise UserError(f"--batch-size: is {options.batch_size}; give 1 or more")


def _encoder(options: argparse.Namespace, run: TrainedRun | None) -> str:
    """The encoder's name; it is never chosen silently."""
    from clipit_lightning.video.encoders import KINDS

    name: str | None = options.encoder or (run.made.get("encoder") if run else None)
    if name is None:
        why = f" ({options.checkpoint} does not say which one it was trained with)" if run else ""
        raise UserError(f"--encoder: name one: {', '.join(KINDS)} (hsv needs no weights, and has no language){why}")
    return name


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # the counting line of the progress
    print(line, flush=True)
