"""The pictures of README and docs: real pages, of a clip that is drawn here and of a run on the miniature.

``python -m experiments.screenshots`` from the root; it needs chromium and its driver.
"""

import base64
import contextlib
import io
import math
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from PIL import Image, ImageDraw

from clipit_lightning.cli.main import main
from tests.support.browser import browser

WIDTH, HEIGHT, RATE, SECONDS, TALL = 640, 360, 30, 5, 1440
IMAGES = Path(__file__).parents[1] / "docs" / "images"
Colour = tuple[int, int, int]
Draw = ImageDraw.ImageDraw


class Scene(NamedTuple):
    """Sky from top to horizon, ridges from far to near, and what moves in front of them."""

    sky: tuple[Colour, Colour]
    ridges: tuple[Colour, ...]
    rough: float
    moving: Callable[[Draw, float], None]


def _disc(colour: Colour, x: float, y: float, rise: float) -> Callable[[Draw, float], None]:
    def draw(canvas: Draw, seconds: float) -> None:
        canvas.circle((x * WIDTH, y * HEIGHT - rise * seconds), 34, fill=colour)

    return draw


def _boat(canvas: Draw, seconds: float) -> None:
    x, y = 120 + 45 * seconds, 262 + 5 * math.sin(2.2 * seconds)
    canvas.polygon([(x - 46, y), (x + 46, y), (x + 30, y + 18), (x - 32, y + 18)], fill=(150, 62, 52))
    canvas.polygon([(x, y - 86), (x, y - 6), (x + 50, y - 6)], fill=(252, 248, 238))
    canvas.polygon([(x - 5, y - 74), (x - 5, y - 6), (x - 38, y - 6)], fill=(236, 226, 208))


def _balloons(canvas: Draw, seconds: float) -> None:
    for index, colour in enumerate([(214, 69, 65), (242, 177, 52), (88, 116, 196), (224, 122, 95)]):
        x, y = 90 + 150 * index + 9 * math.sin(seconds + index), 170 + 40 * math.cos(2 * index) - 9 * seconds
        canvas.ellipse((x - 27, y - 34, x + 27, y + 30), fill=colour)
        canvas.polygon([(x - 17, y + 23), (x + 17, y + 23), (x + 6, y + 40), (x - 6, y + 40)], fill=colour)
        canvas.rectangle((x - 8, y + 44, x + 8, y + 55), fill=(112, 78, 50))


def _city(canvas: Draw, seconds: float) -> None:
    rng = np.random.default_rng(3)
    for left in range(-40, WIDTH + 200, 62):
        top, x = int(rng.integers(90, 230)), left - 12 * seconds
        canvas.rectangle((x, top, x + 54, HEIGHT), fill=(28, 32, 54))
        for row in range(top + 10, HEIGHT, 20):
            for column in range(3):
                if rng.random() < 0.55:
                    canvas.rectangle((x + 8 + 15 * column, row, x + 16 + 15 * column, row + 9), fill=(248, 212, 120))


def _snow(canvas: Draw, seconds: float) -> None:
    for index, x in enumerate(range(30, WIDTH, 95)):
        top = 150 + 40 * (index % 2)
        for level in range(3):
            y, half = top + 42 * level, 22 + 15 * level
            canvas.polygon([(x, y), (x - half, y + 62), (x + half, y + 62)], fill=(38, 84, 78))
    flakes = np.random.default_rng(5).random((130, 2))
    for x, y in flakes:
        down = (y * HEIGHT + 70 * seconds) % HEIGHT
        canvas.circle((x * WIDTH + 8 * math.sin(seconds + 9 * y), down), 2 + 2 * x, fill=(255, 255, 255))


def _birds(canvas: Draw, seconds: float) -> None:
    for index in range(7):
        x, y = 60 + 70 * index + 36 * seconds, 90 + 22 * (index % 3) + 6 * math.sin(seconds + index)
        wing = 9 * math.sin(7 * seconds + index)
        canvas.line([(x - 15, y - wing), (x, y), (x + 15, y - wing)], fill=(45, 45, 60), width=3, joint="curve")


SUNRISE = Scene(
    ((70, 78, 140), (250, 176, 122)),
    ((140, 106, 142), (96, 74, 118), (54, 46, 84)),
    1.0,
    _disc((255, 228, 150), 0.62, 0.62, 14),
)
SEA = Scene(((122, 196, 232), (226, 242, 246)), ((54, 142, 178), (36, 116, 156), (24, 92, 134)), 0.18, _boat)
MEADOW = Scene(((94, 170, 226), (222, 240, 250)), ((132, 178, 110), (104, 156, 84), (78, 132, 66)), 0.6, _balloons)
CITY = Scene(((10, 12, 34), (58, 52, 100)), ((36, 36, 66),), 0.3, _city)
SNOW = Scene(((172, 190, 208), (232, 238, 244)), ((214, 224, 234), (236, 241, 246)), 0.5, _snow)
DESERT = Scene(((236, 148, 92), (252, 220, 164)), ((216, 138, 84), (190, 108, 66), (150, 78, 54)), 0.9, _birds)
NIGHT = Scene(((8, 20, 40), (24, 64, 86)), ((16, 44, 60), (10, 30, 44)), 1.0, _disc((236, 240, 228), 0.3, 0.28, 2))
CLIP = 2 * (SUNRISE, SEA, MEADOW, CITY, SNOW, DESERT, NIGHT, SEA, CITY, MEADOW)  # each as long as a shot is by default


def picture(scene: Scene, seconds: float) -> Image.Image:
    """One frame of a scene."""
    top, bottom = (np.array(colour) for colour in scene.sky)
    share = np.linspace(0, 1, HEIGHT)[:, None]
    rows = (top * (1 - share) + bottom * share).astype(np.uint8)  # (height, 3)
    image = Image.fromarray(np.repeat(rows[:, None], WIDTH, axis=1))
    canvas = ImageDraw.Draw(image)
    behind = scene.moving is not _boat and scene.moving is not _snow
    if behind:
        scene.moving(canvas, seconds)
    x = np.arange(0, WIDTH + 8, 8)
    for number, colour in enumerate(scene.ridges):
        far = x + 40 * number * number + (6 + 10 * number) * seconds
        wave = np.sin(far / 97 + number) + 0.5 * np.sin(far / 41 + 2 * number) + 0.2 * np.sin(far / 17)
        height = HEIGHT * (0.66 + 0.1 * number) - 26 * scene.rough * wave
        canvas.polygon([(0, HEIGHT), *zip(x.tolist(), height.tolist(), strict=True), (WIDTH, HEIGHT)], fill=colour)
    if not behind:
        scene.moving(canvas, seconds)
    return image


def write_clip(path: Path) -> Path:
    """Drawn scenes, which come back."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=RATE, options={"crf": "20"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = Fraction(1, RATE)
        for scene in CLIP:
            for number in range(SECONDS * RATE):
                pixels = np.asarray(picture(scene, number / RATE))
                file.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(video.encode(None))
    return path


def take(page: Path, to: Path) -> None:
    """Photograph the top of a page in light colours."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as window:
        window.open(page, width=1200)
        size = {"width": 1200, "height": TALL, "deviceScaleFactor": 1, "mobile": False}
        window.command("Emulation.setDeviceMetricsOverride", **size)
        window.run("document.documentElement.style.overflow = 'hidden'")  # no scroll bar
        window.run("document.querySelectorAll('video').forEach(video => video.currentTime = 1)")
        window.wait("[...document.images].every(image => image.complete)")
        window.wait("[...document.querySelectorAll('video')].every(video => video.readyState == 4 && !video.seeking)")
        time.sleep(1)  # until the player's wheel is gone
        shot = window.command("Page.captureScreenshot")["data"]
    Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB").save(to, optimize=True)


def make_images() -> None:
    """Write both pictures into ``docs/images``."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_clip(Path("holiday.mp4"))
        main(["summarize", "holiday.mp4", "--encoder", "hsv"])
        take(Path("holiday-summary/summary.html"), IMAGES / "summary-page.png")
        main(["train", "tvsum", "output=runs/clip-it+-tvsum"])
        main(["report", "runs/clip-it+-tvsum"])
        take(Path("runs/clip-it+-tvsum/report.html"), IMAGES / "report-page.png")


if __name__ == "__main__":
    make_images()
