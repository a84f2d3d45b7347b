"""What a picture's colours are, whether it is worth to be shown, and how alike two pictures are; without a model.

Colours and thresholds are those of a public copy of TriPSS's code (github.com/hein-nkhh/tri-modal-keyframe-extraction,
1a77835), there by OpenCV at the video's own size, here on small pictures.
"""

import numpy as np
from numpy.typing import NDArray

BINS = 256
"""Of the histogram of each channel."""
DARK, BRIGHT = 30.0, 220.0
"""Mean luma, 0 to 255, below and above which a picture is too dark and too bright."""
CENTRED = 0.2
"""Share of the variance that the middle needs, or a dark or bright picture shows nothing."""
FLAT = 50.0
"""Variance of the luma below which a picture shows nothing."""
BLURRED = 20.0
"""Variance of the Laplacian of the luma below which a picture is blurred."""

_WINDOW = 7  # pixels a side over which structural similarity compares
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = _TO_XYZ.sum(axis=1)  # D65, as sRGB has it
_LINEAR = np.where(  # of a value 0 to 255 of sRGB
    np.arange(256) <= 0.04045 * 255,
    np.arange(256) / 255 / 12.92,
    ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4,
).astype(np.float32)


def cielab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIELAB of an sRGB image (height, width, 3): L 0 to 100, a and b about -128 to 127, by the white of D65."""
    xyz = _LINEAR[image] @ (_TO_XYZ / _WHITE[:, None]).T.astype(np.float32)  # (height, width, 3)
    curve = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(curve, -1, 0)
    lab: NDArray[np.float32] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return lab


def color_statistics(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Statistics of an image's colours in CIELAB, (778,): what TriPSS calls perceptual features.

    Of each channel the histogram in 256 bins, whose sum is 1, then of each channel mean, variance and skewness, then
    colourfulness, the deviation of a and b and 0.3 of their mean. Channels are scaled to 0 to 255 as OpenCV has them in
    8 bits; for colourfulness a and b count from grey.
    """
    lab = cielab(image).reshape(-1, 3) * [2.55, 1, 1] + [0, 128, 128]  # (pixels, 3), 64-bit for the sums
    whole = lab.round().clip(0, BINS - 1).astype(np.int64)
    histograms = [np.bincount(channel, minlength=BINS) / len(whole) for channel in whole.T]
    means, deviations = lab.mean(axis=0), lab.std(axis=0)  # (3,)
    skewness = ((lab - means) ** 3).mean(axis=0) / (deviations**3 + 1e-8)
    moments = np.stack([means, deviations**2, skewness], axis=1)  # (3, 3)
    colorful = np.hypot(*deviations[1:]) + 0.3 * np.hypot(*(means[1:] - 128))
    return np.concatenate([*histograms, moments.ravel(), [colorful]]).astype(np.float32)


def luma(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma of an RGB image (height, width, 3) by BT.601's weights, 0 to 255, (height, width)."""
    weighed: NDArray[np.float32] = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return weighed


def is_good(grey: NDArray[np.floating]) -> bool:
    """Whether a picture of luma 0 to 255, (height, width), is none of too dark, too bright, flat and blurred.

    The code also looks for text, corners and edges, and lets some pictures pass by them; that is left.
    """
    variance, mean = float(grey.var()), float(grey.mean())
    height, width = grey.shape
    middle = grey[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4]
    is_centred = middle.size > 0 and float(middle.var()) >= CENTRED * variance
    is_lit = DARK <= mean <= BRIGHT or is_centred
    return is_lit and variance >= FLAT and float(laplacian(grey).var()) >= BLURRED


def laplacian(grey: NDArray[np.floating]) -> NDArray[np.float64]:
    """Second differences of a picture in both directions, (height, width); its borders mirror what is inside."""
    padded = np.pad(grey.astype(np.float64), 1, mode="reflect" if min(grey.shape) > 1 else "edge")
    middle = padded[1:-1, 1:-1]
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    second: NDArray[np.float64] = around - 4 * middle
    return second


def structural_similarity(one: NDArray[np.number], other: NDArray[np.number]) -> float:
    """Mean structural similarity of two pictures of luma 0 to 255, (height, width), each side 7 or more; at most 1.

    Wang et al., IEEE TIP 2004, with squares of 7 x 7 of even weights, covariances over 48, and no padding: what
    scikit-image computes by default.
    """
    from scipy.ndimage import uniform_filter

    pair = np.stack([one, other]).astype(np.float64)  # (2, height, width)
    products = np.concatenate([pair, pair**2, pair[:1] * pair[1:]])  # (5, height, width)
    edge, pixels = _WINDOW // 2, _WINDOW**2
    means = uniform_filter(products, (0, _WINDOW, _WINDOW))[:, edge:-edge, edge:-edge]
    left, right, left_square, right_square, product = means
    unbiased = pixels / (pixels - 1)
    variances = unbiased * (left_square - left**2 + right_square - right**2)
    covariance = unbiased * (product - left * right)
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * left * right + light) * (2 * covariance + contrast)
    return float((similar / ((left**2 + right**2 + light) * (variances + contrast))).mean())
