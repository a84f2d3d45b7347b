"""`clipit keyframes`."""

from __future__ import annotations

from pathlib import Path

import typer

from clipit_lightning.cli.video import BATCH_SIZE, DEVICE, ENCODERS, PRECISION, STRIDE, Precision

FORMATS = f"""\
\b
examples:
  clipit keyframes holiday.mp4
  clipit keyframes holiday.mp4 --count 12 --encoder hsv --to pictures
  clipit keyframes holiday.mp4 --captions holiday.srt

\b
chosen as TriPSS does (2025): steps are clustered by their colours, what the encoder sees and what captions say; the
middle of each cluster is a key frame unless it is too dark, too bright, flat, blurred or looks as another one.
With --count the largest clusters count, and if they are fewer, what differs most from them.

{ENCODERS}
\b
written into the folder, where files of these names are replaced and others stay:
  key-frame-000123.jpg   a picture, called by its number among the frames of the video
  key-frames.jpg         all of them in a grid (150 of more), with their times
  key-frames.csv         frame,seconds,file; a picture that it named before and that is none any more is removed
"""
CAPTIONER = typer.Option(None, help="Caption every step by a model of transformers, or a folder.")


def keyframes(
    video: Path = typer.Argument(..., metavar="VIDEO", help="A video file."),
    count: int | None = typer.Option(None, min=1, help="So many key frames (default: as many as there are clusters)."),
    encoder: str | None = typer.Option(None, help="Of the frames, see below (default: auto)."),
    to: Path | None = typer.Option(None, help="Folder for the results (default: NAME-keyframes)."),
    captions: Path | None = typer.Option(None, help="Your captions: .srt, .vtt or .json."),
    captioner: str | None = CAPTIONER,
    stride: int | None = STRIDE,
    rate: float | None = typer.Option(None, help="Take RATE frames a second (default: 2)."),
    device: str = DEVICE,
    precision: Precision = PRECISION,
    batch_size: int = BATCH_SIZE,
) -> int:
    """Write the key frames of a video: pictures, a sheet of them, and a table of their times."""
    from clipit_lightning.pipelines.key_frames import keyframes as write_keyframes

    write_keyframes(
        video,
        to,
        encoder,
        count=count,
        captions=captions,
        captioner=captioner,
        stride=stride,
        rate=rate,
        device=device,
        precision=precision,
        batch_size=batch_size,
    )
    return 0
