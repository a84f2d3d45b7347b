"""Measure decoding and preprocessing: ``python experiments/benchmark_frames.py [VIDEO ...]``.

Prints, for each video and for a generated clip of 60 seconds at 1280x720, how many frames of the video a second are
dealt with on the way to tensors of 224x224 at 2 frames per second, in one run:

- ours: ``sample_frames``, which scales the sampled frames by swscale, then floats and normalisation of the batch
- PIL on sampled frames: decode all frames to RGB, PIL's resize and crop and normalisation of the sampled ones
- PIL on every frame: the same of every decoded frame, as scripts do that extract frames first and sample afterwards

Seconds are given by the clock and of the processor, which other work on the machine does not change; frames per second
and ratios are by the clock. Set OMP_NUM_THREADS=1 to hold numpy to one core; decoding takes all cores in each case.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipit_lightning.video.frames import RATE, Geometry, sample_frames
from clipit_lightning.video.reader import VideoReader

SIZE = 224
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)  # CLIP's own
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
SHARED = Path(__file__).parents[2] / "shared" / "data" / "videos"


def normalised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB images as an encoder takes them: (..., 3, height, width)."""
    scaled: NDArray[np.float32] = (images.astype(np.float32) / np.float32(255) - MEAN) / STD
    return np.moveaxis(scaled, -1, -3)


def ours(path: Path) -> tuple[int, int]:
    """Frames in the video, frames prepared, in batches of 32."""
    reader, batch, prepared = VideoReader(path), [], 0
    for sample in sample_frames(reader, Geometry(SIZE)):
        batch.append(sample.image)
        if len(batch) == 32:
            prepared += len(normalised(np.stack(batch)))
            batch = []
    if batch:
        prepared += len(normalised(np.stack(batch)))
    return len(reader.times), prepared


def pil_transform(image: Image.Image) -> NDArray[np.float32]:
    """The transform that CLIP comes with: shorter side to 224, centre crop, normalisation."""
    scale = SIZE / min(image.size)
    width, height = (max(SIZE, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - SIZE) / 2), round((height - SIZE) / 2)
    return normalised(np.asarray(image.crop((left, top, left + SIZE, top + SIZE))))


def rgb_frames(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Every frame in RGB, as decoding scripts get them, with its time."""
    with av.open(str(path)) as file:
        file.streams.video[0].thread_type = "AUTO"
        for frame in file.decode(video=0):
            yield frame.time, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def pil_on_sampled(path: Path) -> tuple[int, int]:
    """Decode all frames; PIL on those at 2 frames per second."""
    frames = prepared = 0
    for at, image in rgb_frames(path):
        if at + 0.0005 >= prepared / RATE:
            pil_transform(Image.fromarray(image))
            prepared += 1
        frames += 1
    return frames, prepared


def pil_on_every(path: Path) -> tuple[int, int]:
    """Decode all frames; PIL on each."""
    frames = 0
    for _, image in rgb_frames(path):
        pil_transform(Image.fromarray(image))
        frames += 1
    return frames, frames


def write_clip(path: Path) -> Path:
    """Write 60 seconds of 1280x720 at 30 frames per second that move and have texture."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (90, 400, 3), dtype=np.uint8)
    wide = np.asarray(Image.fromarray(texture).resize((3200, 720), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(1800):
            left = number % 1900
            image = np.ascontiguousarray(wide[:, left : left + 1280])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def measure(call: Callable[[Path], tuple[int, int]], path: Path) -> tuple[float, float, int, int]:
    """Seconds of a call by the clock and of the processor, frames in the video, frames prepared."""
    started, worked = time.perf_counter(), time.process_time()
    frames, prepared = call(path)
    return time.perf_counter() - started, time.process_time() - worked, frames, prepared


def compare(path: Path) -> None:
    """Print the figures of a video."""
    list(zip(range(30), rgb_frames(path), strict=False))  # the file is in memory before the first clock starts
    first: tuple[float, float] | None = None
    print(f"{path.name}")
    for name, call in (("ours", ours), ("PIL on sampled frames", pil_on_sampled), ("PIL on every frame", pil_on_every)):
        taken, worked, frames, prepared = measure(call, path)
        first = first or (taken, worked)
        print(
            f"  {name:22} {taken:6.2f} s (processor {worked:6.2f} s) for {frames} frames, {prepared:4} prepared:"
            f" {frames / taken:6.0f} frames/s, ours {taken / first[0]:4.1f} times as many"
            f" (processor {worked / first[1]:4.1f})",
            flush=True,
        )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path, help="videos; without any, SumMe's two in ../shared if there")
    videos = parser.parse_args().videos or sorted(SHARED.glob("*.mp4"))
    with tempfile.TemporaryDirectory() as folder:
        for path in [*videos, write_clip(Path(folder) / "generated_720p.mp4")]:
            compare(path)


if __name__ == "__main__":
    main()
