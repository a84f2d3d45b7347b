"""A summary's shots as a cut list for editing programs: CSV, and an edit decision list (CMX 3600)."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from clipit_lightning.video.frames import Shots


def cut_list_csv(shots: Shots, seconds: Sequence[tuple[float, float]]) -> str:
    """The shots as CSV: a line each with its frames (inclusive) and its seconds in the source."""
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(["shot", "start_frame", "end_frame", "start_seconds", "end_seconds"])
    for number, ((first, last), (start, end)) in enumerate(zip(shots, seconds, strict=True), 1):
        lines.writerow([number, first, last, f"{start:.6f}", f"{end:.6f}"])
    return file.getvalue()


def cut_list_edl(seconds: Sequence[tuple[float, float]], fps: float, clip: str, has_audio: bool = True) -> str:
    """The shots as an edit decision list (CMX 3600) with non-drop-frame timecodes, which editing programs import.

    A timecode counts frames of the editor's timeline, ``fps`` a second, of 29.97 as 30. ``seconds`` are each shot's
    start and end in the source, whose file is called ``clip``.
    """
    lines = [f"TITLE: {Path(clip).stem}", "FCM: NON-DROP FRAME", ""]
    at = 0
    for number, (start, end) in enumerate(seconds, 1):
        first, after = round(start * fps), round(end * fps)
        codes = (_timecode(frame, fps) for frame in (first, after, at, at + after - first))
        lines += [f"{number:03d}  AX       {'AA/V' if has_audio else 'V':<5} C        {' '.join(codes)}"]
        lines += [f"* FROM CLIP NAME: {Path(clip).name}", ""]
        at += after - first
    return "\n".join(lines)


def _timecode(frame: int, fps: float) -> str:
    second, rest = divmod(frame, max(1, round(fps)))
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{rest:02d}"
