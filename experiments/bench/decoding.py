"""A video to tensors of 224 x 224 at 2 frames per second: ``sample_frames``, which scales by swscale, against PIL."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipit_lightning.video.frames import RATE, sample_frames
from clipit_lightning.video.preprocess import Preprocessing
from clipit_lightning.video.reader import VideoReader
from experiments.bench.runner import REPOSITORY, Options, Table

SIZE = 224
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)  # CLIP's own
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def tables(options: Options) -> Iterator[Table]:
    """A generated clip of a minute at 1280 x 720, and SumMe's videos where they lie beside the repository.

    PIL on every frame is what scripts do that extract frames first and sample afterwards. Variants return the mean of
    each picture, which the arithmetic of two scalers moves a little. Decoding takes all cores in each case.
    """
    with TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "generated_720p.mp4")
        for path in (clip, *sorted((REPOSITORY.parent / "shared/data/videos").glob("*.mp4"))):
            variants = {
                "ours": partial(ours, path),
                "PIL on sampled frames": partial(pil, path, every=False),
                "PIL on every frame": partial(pil, path, every=True),
            }
            yield Table(f"decoding {path.name}", variants, tolerance=0.05, warm=False)


def normalised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB images, (..., height, width, 3), as an encoder takes them, (..., 3, height, width)."""
    scaled: NDArray[np.float32] = (images.astype(np.float32) / np.float32(255) - MEAN) / STD
    return np.moveaxis(scaled, -1, -3)


def ours(path: Path) -> list[float]:
    """Sampled frames, scaled while they are decoded; the mean of each."""
    samples = sample_frames(VideoReader(path), Preprocessing(SIZE, "crop", tuple(MEAN), tuple(STD)))
    return [float(normalised(sample.image).mean()) for sample in samples]


def pil(path: Path, every: bool) -> list[float]:
    """The transform that CLIP comes with, on sampled frames or on every frame; the mean of each sampled one."""
    means: list[float] = []
    with av.open(str(path)) as file:
        file.streams.video[0].thread_type = "AUTO"
        for frame in file.decode(video=0):
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            is_sampled = frame.time + 0.0005 >= len(means) / RATE
            if is_sampled or every:
                prepared = pil_transform(Image.fromarray(image))
                means += [float(prepared.mean())] if is_sampled else []
    return means


def pil_transform(image: Image.Image) -> NDArray[np.float32]:
    """Shorter side to 224, centre crop, normalisation; (3, 224, 224)."""
    scale = SIZE / min(image.size)
    width, height = (max(SIZE, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - SIZE) / 2), round((height - SIZE) / 2)
    return normalised(np.asarray(image.crop((left, top, left + SIZE, top + SIZE))))


def write_clip(path: Path) -> Path:
    """Write 60 seconds of 1280 x 720 at 30 frames per second that move and have texture."""
    texture = np.random.default_rng(0).integers(0, 255, (90, 400, 3), dtype=np.uint8)
    wide = np.asarray(Image.fromarray(texture).resize((3200, 720), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for left in range(1800):
            image = np.ascontiguousarray(wide[:, left : left + 1280])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    return path
