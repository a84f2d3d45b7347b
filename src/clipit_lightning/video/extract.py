"""One raw video to all that a store or a summary needs: features of its steps, shots, captions, and their provenance.

The video is decoded once, by a thread that runs ahead of the encoder by a few batches. A captioner's few frames are
decoded in a second pass, because the shots that they are spread by are known only at the end of the first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning import __version__
from clipit_lightning.core.errors import UserError
from clipit_lightning.summary.shots import FRAMES_PER_SHOT, change_points
from clipit_lightning.video.audio_model import AudioModel
from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.captions import Captions, frames_to_caption
from clipit_lightning.video.encoders import Encoder, HsvEncoder, NamingEncoder
from clipit_lightning.video.frames import RATE, Sample, sample_frames, sampling_name, whole_frames
from clipit_lightning.video.log_mel import log_mel_statistics
from clipit_lightning.video.motion import MotionMeter
from clipit_lightning.video.pretrained import library_versions
from clipit_lightning.video.reader import Frame, VideoInfo, VideoReader
from clipit_lightning.video.streams import Stream, streams_provenance

N_CAPTIONS = 7
"""Frames that a captioner is given; the number in the implementations of CLIP-It known to us."""
AHEAD = 2
"""Batches that are decoded while the encoder works on one."""
BATCH_BYTES = 64_000_000
"""Whole frames are large: a batch of them is cut here."""


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """One raw video: when its frames are shown, the steps, the shots, the captions in time order; times are seconds.

    ``picks`` are the frame numbers of the steps, ``change_points`` the first and last frame of each shot, inclusive.
    Features have unit norm; those of captions are by the same encoder, None without captions or without its language.
    """

    info: VideoInfo
    frame_times: NDArray[np.float64]  # (frames,)
    picks: NDArray[np.int64]  # (steps,)
    features: NDArray[np.float32]  # (steps, features)
    change_points: NDArray[np.int64]  # (shots, 2)
    captions: tuple[str, ...]
    caption_times: NDArray[np.float64]  # (captions,)
    caption_features: NDArray[np.float32] | None  # (captions, features)
    provenance: dict[str, str]
    pictures: NDArray[np.uint8]
    """Small pictures of the steps, RGB, (steps, 16, 16, 3)."""
    names: tuple[tuple[str, ...], ...] = ()
    """What is seen in each step, (steps,); empty where the encoder does not name it."""
    text_spans: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    """First second and end of each caption by the clock on which frame i is shown at i / ``info.fps``: a user's own as
    they say, a model's for the shot of its frame, (captions, 2)."""
    streams: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """What stands beside ``features`` in a store, by name, such as of sound, (steps, columns); see ``streams.py``."""

    @property
    def all_features(self) -> NDArray[np.float32]:
        """Features with the streams behind them, (steps, features of all)."""
        return np.hstack([self.features, *self.streams.values()])


def extract_features(
    path: Path,
    encoder: Encoder,
    stride: int | None = None,
    rate: float = RATE,
    captioner: Captioner | None = None,
    n_captions: int = N_CAPTIONS,
    texts: Captions | None = None,
    batch_size: int = 32,
    progress: Callable[[float], None] | None = None,
    streams: Sequence[Stream] = (),
    watch: Callable[[Frame], None] | None = None,
) -> VideoFeatures:
    """Decode, encode, cut into shots and caption one video. The same input gives the same result.

    Shots are cut by kernel temporal segmentation of the features, ceil(n_frames / 150) of them. Captions are ``texts``,
    the user's own, or the captioner's of ``n_captions`` frames, spread over the video by its shots; the encoder embeds
    them where it has language. ``progress`` takes the seconds of the video that are encoded, after each batch;
    ``watch`` each sampled frame as decoded, in the thread that decodes. ``streams`` are made beside, as
    ``load_streams`` gives them.

    Raises:
        UserError: The file cannot be read as a video, the sampling makes no sense, or the captions are of another one.
    """
    meter = MotionMeter() if "motion" in streams else None
    reader = VideoReader(path) if meter is None else _WatchedReader(path, meter)
    numbers, features, pictures, names = list[int](), [], [], list[tuple[str, ...]]()
    samples = _metered(sample_frames(reader, encoder.preprocessing, stride, rate, watch), meter)
    for batch in ahead(_batches(samples, batch_size)):
        frames = np.stack([sample.image for sample in batch])
        encoded, named = _encoded(encoder, frames)
        features.append(encoded)
        pictures.append(shrunk(frames))
        names += named
        numbers += [sample.number for sample in batch]
        if progress:
            progress(batch[-1].time)
    info, joined = reader.info(), np.concatenate(features)  # (steps, features)
    picks = np.array(numbers, dtype=np.int64)
    shots = change_points(joined, picks, info.n_frames).astype(np.int64)  # (shots, 2)
    captions, starts, spans = _captions(reader, shots, picks, captioner, n_captions, texts)
    speaks = bool(captions) and not isinstance(encoder, HsvEncoder)
    return VideoFeatures(
        info=info,
        frame_times=reader.times,
        picks=picks,
        features=joined,
        change_points=shots,
        captions=captions,
        caption_times=starts,
        caption_features=encoder.encode_texts(list(captions)) if speaks else None,
        provenance=provenance(encoder, stride, rate, captioner, n_captions, texts is not None, streams),
        pictures=np.concatenate(pictures),
        names=tuple(names),
        text_spans=spans / info.fps,
        streams=_streams(streams, reader, picks, meter),
    )


class _WatchedReader(VideoReader):
    """Shows every frame to a meter, too."""

    def __init__(self, path: Path, meter: MotionMeter) -> None:
        super().__init__(path)
        self._meter = meter

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            self._meter.see(frame)
            yield frame


def _metered(samples: Iterator[Sample], meter: MotionMeter | None) -> Iterator[Sample]:
    for sample in samples:
        if meter is not None:
            meter.begin_step()
        yield sample


def _streams(
    streams: Sequence[Stream], reader: VideoReader, picks: NDArray[np.int64], meter: MotionMeter | None
) -> dict[str, NDArray[np.float32]]:
    """Each stream by its name, in order, (steps, columns)."""
    made: dict[str, NDArray[np.float32]] = {}
    sound = reader.path, reader.start, np.append(reader.times[picks], reader.info().duration)  # (steps + 1,)
    for stream in streams:
        if isinstance(stream, AudioModel):
            made["audio"] = stream.hear(*sound)
        elif stream == "audio":
            made[stream] = log_mel_statistics(*sound)
        elif meter is not None:
            made[stream] = meter.finish()
    return made


def provenance(
    encoder: Encoder,
    stride: int | None,
    rate: float,
    captioner: Captioner | None,
    n_captions: int,
    texts: bool,
    streams: Sequence[Stream] = (),
) -> dict[str, str]:
    """How features are made, in words: equal settings on equal versions have equal words."""
    made = {
        "tool": f"clipit_lightning {__version__}",
        **encoder.provenance(),
        "sampling": sampling_name(stride, rate),
        "decoding": f"sequential, scaled by swscale (bicubic), {library_versions('av')}",
        "shots": f"kernel temporal segmentation, one a {FRAMES_PER_SHOT} frames, rounded up",
        "captions": "file" if texts else f"{n_captions} frames by model" if captioner else "none",
    }
    made |= streams_provenance(encoder.feature_dim, streams)
    return made | (captioner.provenance() if captioner and not texts else {})


def shrunk(frames: NDArray[np.uint8], side: int = 16) -> NDArray[np.uint8]:
    """Means over ``side`` by ``side`` cells of RGB frames (frames, height, width, 3), (frames, side, side, 3)."""
    means = frames.astype(np.float32)
    for axis in (1, 2):
        starts = np.arange(side) * means.shape[axis] // side
        sizes = np.maximum(1, np.diff(starts, append=means.shape[axis]))
        shape = [side if at == axis else 1 for at in range(4)]
        means = np.add.reduceat(means, starts, axis=axis) / sizes.reshape(shape)
    return means.round().astype(np.uint8)


def _encoded(encoder: Encoder, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[tuple[str, ...]]]:
    if isinstance(encoder, NamingEncoder):
        return encoder.encode_and_name(frames)
    return encoder.encode_images(frames), []


def _batches(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    """Frames in batches of one picture size: whole frames may change theirs in the middle of a video."""
    waiting: list[Sample] = []
    for sample in samples:
        full = len(waiting) == size or (len(waiting) + 1) * sample.image.nbytes > BATCH_BYTES
        if waiting and (full or sample.image.shape != waiting[0].image.shape):
            yield waiting
            waiting = []
        waiting.append(sample)
    if waiting:
        yield waiting


def ahead(batches: Iterator[list[Sample]]) -> Iterator[list[Sample]]:
    """Yield batches that a thread makes ahead; an error of the thread is raised here."""
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        waiting = deque(pool.submit(next, batches, None) for _ in range(AHEAD))
        try:
            while (batch := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, batches, None))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)


def _captions(
    reader: VideoReader,
    shots: NDArray[np.int64],
    picks: NDArray[np.int64],
    captioner: Captioner | None,
    n_captions: int,
    texts: Captions | None,
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Captions in time order, the seconds at which they start, and their first frames and ends, (captions, 2)."""
    info, spans = reader.info(), np.empty((0, 2))
    timed: list[tuple[str, float, int]] = []  # text, second, frame
    if texts is not None:
        cues = [cue for cue in zip(texts.starts, texts.ends, texts.texts, strict=True) if cue[0] < info.duration]
        timed = [(text, start, 0) for start, _, text in cues]
        borders = np.append(reader.times, info.duration)  # (frames + 1,)
        spans = np.interp([cue[:2] for cue in cues], borders, np.arange(len(borders))) if cues else spans
        if not timed:
            raise UserError(
                f"{info.path}: its captions start at {texts.starts[0]:.1f} s, after its end at {info.duration:.1f} s; "
                "are they of another video?"
            )
    elif captioner is not None:
        frames = whole_frames(info.path, picks[frames_to_caption(shots, picks, n_captions)].tolist())
        for batch in _batches(frames, captioner.batch_size):
            texts_of_batch = captioner.caption(np.stack([sample.image for sample in batch]))
            samples = zip(texts_of_batch, batch, strict=True)  # where the model writes nothing there is no caption
            timed += [(text, sample.time, sample.number) for text, sample in samples if text]
        shot = np.searchsorted(shots[:, 1], [number for *_, number in timed])  # (captions,)
        spans = shots[shot] + [0.0, 1.0]
    return tuple(text for text, *_ in timed), np.array([start for _, start, _ in timed], dtype=np.float64), spans
