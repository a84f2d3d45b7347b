"""Small videos of every ordinary, odd and damaged kind, written with PyAV, whose frames and seconds can be recognised.

The upper half of frame n shows n in binary: eight columns, the lowest bit at the left, light for one. The lower half is
grey. The sound of second s is a tone of 400 + 300 s Hz.
"""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorTrc

from clipit_lightning.video.preprocess import Mode, Preprocessing

DARK, GREY, LIGHT = 50, 125, 200
RATE = 48000
TURNS = {  # the linear part (a, b, c, d) of the display matrix that a player applies
    "quarter": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "three": (0, -1, 1, 0),
    "mirror": (-1, 0, 0, 1),
    "mirror_quarter": (0, 1, 1, 0),
}


def picture(number: int, width: int, height: int) -> np.ndarray:
    """Frame ``number`` as uint8 RGB (height, width, 3)."""
    bits = (number >> (np.arange(width) * 8 // width)) & 1
    rows = np.full((height, width), GREY, np.uint8)
    rows[: height // 2] = np.where(bits, LIGHT, DARK)
    return np.repeat(rows[..., None], 3, axis=2)


def shown_number(image: np.ndarray) -> int:
    """The number that an upright image (height, width, 3) shows, 0 to 255."""
    height, width = image.shape[:2]
    centres = ((np.arange(8) + 0.5) * width / 8).astype(int)
    level = image[height // 8 : max(height // 8 + 1, 3 * height // 8), centres].mean(axis=(0, 2))
    return int(((level > GREY) << np.arange(8)).sum())


def square(size: int, mode: Mode = "squash") -> Preprocessing:
    """Pictures of ``size`` pixels a side, with grey levels as they are."""
    return Preprocessing(size, mode, (0.0,) * 3, (1.0,) * 3)


def sound(seconds: float, rate: int = RATE) -> np.ndarray:
    """The tones of a video, mono float32 (samples,)."""
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (400 + 300 * time.astype(int)) * time)  # (samples,)
    return np.asarray(wave, dtype=np.float32)


def write_video(
    path: Path,
    n_frames: int = 75,
    width: int = 64,
    height: int = 48,
    fps: int | Fraction = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: str | None = "aac",
    audio_seconds: float | None = None,
    audio_start: float = 0.0,
    layout: str = "mono",
    sample_rate: int = RATE,
    times: Sequence[float] | None = None,
    first: int = 0,
    container: str | None = None,
    codec_options: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    transfer: ColorTrc | None = None,
    languages: Sequence[str] = ("",),
    draw: Callable[[int, int, int], np.ndarray] = picture,
) -> Path:
    """Write a video whose frame i shows the number ``first + i``, at ``times[i]`` seconds if they are given.

    With a transfer of high dynamic range it is tagged as BT.2020 of that transfer. It has an audio track a language,
    each half as loud as the one before it.
    """
    tick = Fraction(1, 90000) if times is not None else 1 / Fraction(fps)
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        video: Any = file.add_stream(codec, rate=Fraction(fps), options=codec_options or {})
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        video.codec_context.time_base = tick
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        if transfer is not None:
            colours = video.codec_context
            colours.color_trc, colours.color_primaries, colours.colorspace = transfer, ColorPrimaries.BT2020, 9
        tracks = [file.add_stream(audio, rate=sample_rate, layout=layout) for _ in languages] if audio else []
        for track, language in zip(tracks, languages, strict=False):
            track.metadata.update({"language": language} if language else {})
        for index in range(n_frames):
            frame = av.VideoFrame.from_ndarray(draw(first + index, width, height), format="rgb24")
            frame.pts = index if times is None else round(times[index] * 90000)
            frame.time_base = tick
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        length = n_frames / float(fps) if audio_seconds is None else audio_seconds
        for number, track in enumerate(tracks):
            _write_sound(file, track, sound(length, sample_rate) / 2**number, sample_rate, layout, audio_start)
    return path


def write_sound(path: Path, codec: str, cover: bool = False) -> Path:
    """Write a file of sound only, with or without a cover picture."""
    with av.open(str(path), "w") as file:
        heard = file.add_stream(codec, rate=RATE, layout="mono")
        if cover:
            art = file.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
            art.disposition = Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(picture(3, 64, 48), format="rgb24")
            frame.pts = 0
            file.mux(art.encode(frame))
            file.mux(art.encode(None))
        _write_sound(file, heard, sound(2.0), RATE, "mono", 0.0)
    return path


def _write_sound(file, stream, samples, rate, layout, start):
    channels = av.AudioLayout(layout).nb_channels
    for begin in range(0, len(samples), 960):
        block = np.tile(samples[begin : begin + 960], (channels, 1))
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, begin + round(start * rate), Fraction(1, rate)
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def turned(path: Path, turn: str) -> Path:
    """Write an MP4 whose display matrix turns it upright: what it stores is turned the other way round."""
    a, b, c, d = TURNS[turn]
    width, height = (48, 64) if a == 0 else (64, 48)
    write_video(path, 50, width, height, audio=None, draw=lambda number, *_: stored(picture(number, 64, 48), turn))
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44  # after version, flags, times, identity, duration, layer, group, volume
    one = 1 << 16
    content[start : start + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def stored(upright: np.ndarray, turn: str) -> np.ndarray:
    """The image that a player turns into ``upright``, by moving each pixel as the matrix says."""
    a, b, c, d = TURNS[turn]
    rows, columns = upright.shape[:2]
    height, width = (columns, rows) if a == 0 else (rows, columns)
    y, x = np.mgrid[:height, :width]
    to_x, to_y = a * x + c * y, b * x + d * y
    return np.ascontiguousarray(upright[to_y - to_y.min(), to_x - to_x.min()])


def cut(path: Path, share: float, **of: Any) -> Path:
    """Write a video and keep the first ``share`` of its bytes."""
    content = write_video(path, **of).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def corrupt(path: Path, at: float = 0.5, size: int = 200, **of: Any) -> Path:
    """Write a video and put noise over ``size`` bytes in the middle of it."""
    content = bytearray(write_video(path, **of).read_bytes())
    start = int(len(content) * at)
    content[start : start + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(content)
    return path


def trimmed(path: Path) -> Path:
    """Write an MP4 whose edit list leaves out the first ten frames."""
    write_video(path, audio=None, codec_options={"bf": "0"})
    content = bytearray(path.read_bytes())
    start = content.index(b"elst") + 12
    duration, begin = struct.unpack(">ii", content[start : start + 8])
    content[start : start + 8] = struct.pack(">ii", duration - 10 * 40, begin + 10 * 12800 // 25)
    path.write_bytes(content)
    return path


def resized(path: Path) -> Path:
    """Write a raw stream whose frames change their size halfway."""
    content = b""
    for width, first in ((64, 0), (96, 25)):
        content += write_video(path, 25, width=width, first=first, audio=None).read_bytes()
    path.write_bytes(content)
    return path


def folder(path: Path) -> Path:
    """Make a folder that is named like a video."""
    path.mkdir()
    return path


def contents(path: Path, content: bytes) -> Path:
    """Write a file that is no video."""
    path.write_bytes(content)
    return path


FAST = {"movflags": "+faststart"}
FRAGMENTED = {"movflags": "+frag_keyframe+empty_moov"}
PICTURE: dict[str, Any] = {"pix_fmt": "rgb24", "audio": None, "options": {"update": "1"}}
UNEVEN = [index / 25 if index < 25 else 1 + (index - 25) / 10 + (index % 3) / 50 for index in range(50)]
REPEATED = [index // 2 * 2 / 25 for index in range(50)]
LATE = [100 + index / 25 for index in range(75)]
HDR = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none"

ODD_VIDEOS: dict[str, Callable[[Path], Path]] = {
    "odd_size.mp4": partial(write_video, width=63, height=47, pix_fmt="yuv444p"),
    "ten_bit.mp4": partial(write_video, pix_fmt="yuv420p10le"),
    "ten_bit_422.mov": partial(write_video, codec="prores_ks", pix_fmt="yuv422p10le", audio="pcm_s16le"),
    "grey.mp4": partial(write_video, pix_fmt="gray"),
    "full_range.mp4": partial(write_video, pix_fmt="yuvj420p"),
    "anamorphic.mp4": partial(write_video, aspect=Fraction(2, 1)),
    "interlaced.mp4": partial(write_video, codec_options={"x264-params": "interlaced=1:tff=1"}),
    **{f"turned_{turn}.mp4": partial(turned, turn=turn) for turn in TURNS},
    "variable_rate.mp4": partial(write_video, n_frames=50, times=UNEVEN, audio_seconds=3.6),
    "variable_rate.mkv": partial(write_video, n_frames=50, times=UNEVEN, audio_seconds=3.6),
    "repeated_times.mkv": partial(write_video, n_frames=50, times=REPEATED, codec_options={"bf": "0"}),
    "late_start.ts": partial(write_video, audio="mp2"),
    "offset.mkv": partial(write_video, times=LATE, audio_start=100.0),
    "hdr.mp4": partial(write_video, codec="libx265", pix_fmt="yuv420p10le", codec_options={"x265-params": HDR}),
    "av1.mp4": partial(write_video, codec="libsvtav1", codec_options={"preset": "12", "svtav1-params": "lp=1"}),
    "dvd.mpg": partial(write_video, codec="mpeg2video", audio="mp2"),
    "several_tracks.mkv": partial(write_video, languages=("", "", "")),
    'it\'s "a film" (1), $HOME & 中.mp4': partial(write_video),
    "trimmed.mp4": trimmed,
    "no_times.h264": partial(write_video, audio=None),
    "no_audio.mp4": partial(write_video, audio=None),
    "late_audio.mp4": partial(write_video, audio_start=1.0, audio_seconds=2.0),
    "short_audio.mp4": partial(write_video, audio_seconds=1.2),
    "long_audio.mp4": partial(write_video, audio_seconds=6.0),
    "surround.mkv": partial(write_video, audio="ac3", layout="5.1"),
    "telephone.mkv": partial(write_video, audio="pcm_s16le", sample_rate=8000),
    "studio.mkv": partial(write_video, audio="pcm_s16le", sample_rate=96000),
    "single_frame.mp4": partial(write_video, n_frames=1, audio=None),
    "two_frames_with_sound.mp4": partial(write_video, n_frames=2),
    "tiny.mp4": partial(write_video, width=2, height=2),
    "one_pixel.mkv": partial(write_video, width=1, height=1, codec="ffv1", pix_fmt="bgr0", audio=None),
    "very_wide.mp4": partial(write_video, width=2048, height=2, n_frames=30),
    "very_tall.mp4": partial(write_video, width=2, height=2048, n_frames=30),
    "fast.mp4": partial(write_video, fps=240, n_frames=200),
    "slow.mp4": partial(write_video, fps=Fraction(1, 2), n_frames=6),
    "television.mp4": partial(write_video, fps=Fraction(30000, 1001)),
    "old.avi": partial(write_video, codec="mpeg4", audio="libmp3lame", codec_options={"bf": "2"}),
    "web.webm": partial(write_video, codec="libvpx-vp9", audio="libopus", n_frames=30),
    "older_web.webm": partial(write_video, codec="libvpx", audio="libopus", n_frames=30),
    "matroska.mkv": partial(write_video),
    "flash.flv": partial(write_video, codec="flv", audio="libmp3lame", sample_rate=44100),
    "animated.gif": partial(write_video, codec="gif", pix_fmt="rgb8", audio=None, fps=10, n_frames=20),
    "fragmented.mp4": partial(write_video, options=FRAGMENTED),
    "resized.h264": resized,
    "cut_off.mp4": partial(cut, share=0.7, options=FAST),
    "cut_off.mkv": partial(cut, share=0.6),
    "cut_off.ts": partial(cut, share=0.6, audio="mp2"),
    "cut_off.avi": partial(cut, share=0.6, codec="mpeg4", audio="libmp3lame"),
    "cut_off_fragments.mp4": partial(cut, share=0.6, options=FRAGMENTED, codec_options={"g": "10"}),
    "noise.mp4": partial(corrupt, at=0.6, size=800, options=FAST, audio=None, codec_options={"g": "15"}),
    "noise_at_the_end.mp4": partial(
        corrupt, at=0.97, size=40, options=FAST, audio=None, codec_options={"g": "15", "bf": "0"}
    ),
    "noise.mkv": partial(corrupt, codec_options={"g": "15"}),
    "noise.ts": partial(corrupt, size=2000, audio="mp2", codec_options={"g": "15"}),
    "noise.webm": partial(corrupt, codec="libvpx", audio="libopus", size=80, at=0.2),
}
"""Odd and damaged videos that can be read: file name to what writes it to a path."""

NOT_VIDEOS: dict[str, Callable[[Path], Path]] = {
    "missing.mp4": lambda path: path,
    "empty.mp4": partial(contents, content=b""),
    "folder.mp4": folder,
    "text.mp4": partial(contents, content=b"This is a text file, not a video.\n" * 40),
    "zeros.mp4": partial(contents, content=bytes(50_000)),
    "random.mp4": partial(contents, content=np.random.default_rng(1).bytes(50_000)),
    "picture.mp4": partial(write_video, n_frames=1, container="image2", codec="png", **PICTURE),
    "playlist.mp4": partial(contents, content=b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
    "list.mp4": partial(contents, content=b"ffconcat version 1.0\nfile other.mp4\n"),
    "subtitles.mp4": partial(contents, content=b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 3),
    "no_index.mp4": partial(cut, share=0.7),
    "only_start.mp4": partial(cut, share=0.02),
    "sound.mp4": partial(write_sound, codec="aac"),
    "sound.mp3": partial(write_sound, codec="libmp3lame"),
    "cover.mp3": partial(write_sound, codec="libmp3lame", cover=True),
    "cover.mp4": partial(write_sound, codec="aac", cover=True),
}
"""Files that cannot be read as a video: file name to what writes it to a path."""
