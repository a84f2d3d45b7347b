import numpy as np
import pytest
from PIL import Image, ImageFilter

from clipit_lightning.video.picture_statistics import (
    cielab,
    color_statistics,
    is_good,
    laplacian,
    luma,
    structural_similarity,
)


def noise(seed=0, shape=(24, 32)):
    """A sharp picture of squares of random grey, (height, width)."""
    small = np.random.default_rng(seed).integers(60, 200, (shape[0] // 4, shape[1] // 4))
    return np.kron(small, np.ones((4, 4)))


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((1, 1, 1), (0.274, 0, 0)),
    ],
)
def test_colours_have_their_known_places(colour, lab):
    np.testing.assert_allclose(cielab(np.array([[colour]], np.uint8))[0, 0], lab, atol=0.02)


def test_statistics_are_those_of_loops_over_pixels():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    lab = [(float(L) * 2.55, float(a) + 128, float(b) + 128) for L, a, b in cielab(image).reshape(-1, 3)]
    expected, deviations = [], []
    for channel in zip(*lab, strict=True):
        counts = [0] * 256
        for value in channel:
            counts[round(value)] += 1
        expected += [count / len(channel) for count in counts]
    for channel in zip(*lab, strict=True):
        mean = sum(channel) / len(channel)
        variance = sum((value - mean) ** 2 for value in channel) / len(channel)
        third = sum((value - mean) ** 3 for value in channel) / len(channel)
        expected += [mean, variance, third / variance**1.5]
        deviations.append(variance)
    means = expected[-6] - 128, expected[-3] - 128
    expected.append((deviations[1] + deviations[2]) ** 0.5 + 0.3 * (means[0] ** 2 + means[1] ** 2) ** 0.5)
    np.testing.assert_allclose(color_statistics(image), expected, rtol=1e-4, atol=1e-5)
    assert len(expected) == 778


def test_a_picture_of_one_colour_and_of_one_pixel_has_finite_statistics():
    for image in (np.zeros((4, 4, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)):
        assert np.isfinite(color_statistics(image)).all()


def test_luma_is_that_of_pillow():
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    np.testing.assert_allclose(luma(image), np.asarray(Image.fromarray(image).convert("L")), atol=1)


def test_the_laplacian_is_that_of_loops_and_0_where_a_picture_is_flat():
    grey = noise()[:6, :5]
    mirror = lambda at, size: abs(at) if at < size else 2 * size - 2 - at  # noqa: E731
    for i, row in enumerate(laplacian(grey)):
        for j, value in enumerate(row):
            around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
            assert value == sum(grey[mirror(y, 6), mirror(x, 5)] for y, x in around) - 4 * grey[i, j]
    for shape in ((1, 1), (1, 9), (9, 1), (8, 8)):
        assert not laplacian(np.full(shape, 7.0)).any()


def test_what_is_dark_bright_flat_or_blurred_is_not_good():
    sharp = noise()
    assert is_good(sharp)
    blurred = Image.fromarray(np.kron(sharp, np.ones((8, 8))).astype(np.uint8)).filter(ImageFilter.GaussianBlur(12))
    bad = {
        "dark": np.where(np.arange(32) < 4, sharp, 5),
        "bright": np.where(np.arange(32) < 4, sharp, 250),
        "flat": 100 + (sharp - sharp.mean()) / 20,
        "blurred": np.asarray(blurred, float),
        "black": np.zeros((24, 32)),
        "a pixel": np.full((1, 1), 100.0),
    }
    assert [name for name, grey in bad.items() if is_good(grey)] == []
    assert bad["blurred"].var() > 50
    night = np.where(np.abs(np.arange(32) - 16) < 3, sharp, 2)
    assert night.mean() < 30
    assert is_good(night), "dark, but something is in its middle"


def test_structural_similarity_is_that_of_loops_over_windows():
    one, other = noise(0), noise(1) * 0.5 + noise(0) * 0.5
    values = []
    for top in range(one.shape[0] - 6):
        for left in range(one.shape[1] - 6):
            x, y = (image[top : top + 7, left : left + 7].ravel() for image in (one, other))
            (var_x, cov), (_, var_y) = np.cov(x, y)
            light = (2 * x.mean() * y.mean() + 6.5025) / (x.mean() ** 2 + y.mean() ** 2 + 6.5025)
            values.append(light * (2 * cov + 58.5225) / (var_x + var_y + 58.5225))
    assert structural_similarity(one, other) == pytest.approx(np.mean(values), abs=1e-9)
    assert structural_similarity(one, one) == pytest.approx(1)
    assert structural_similarity(one, noise(2)) < 0.5
