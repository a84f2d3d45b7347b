"""CSTA: a CNN over the video's features, looked at as one image, draws the attention maps of that image."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.attention import sinusoidal_positions
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput


class CstaScorer(Scorer):
    """CSTA (Son, Park, Kim, CVPR 2024, arXiv 2405.11905), with a small CNN that is trained from scratch.

    Read were the abstract and the authors' code at its defaults (github.com/thswodnjs3/CSTA, b070f7d). A video is an
    image: a row for each step under one learned row, a column for each feature. A CNN over its keys and a residual to
    them give an energy for every entry, normed over the image, with positions added. Two softmaxes, over the steps and
    over the features, weigh the values; neighbouring rows are averaged in pairs, which leaves one for each step, and
    two layers give its logit. Features are taken as distributed. Text is not read; time grows linearly with the steps.

    Their CNN is GoogLeNet with weights from ImageNet. Ours has `cnn_layers` convolutions (3 x 3, stride 2), with norm
    and ReLU, whose channels double up to `width`; 5 shrink each side of the image 32 times, as GoogLeNet does.
    All norms are over a video (theirs are batch norms, with running means at inference), so that no video changes
    another's scores. One channel stands for their three copies of the image, and one `dropout` for 0.6 of the maps and
    0.5 of the hidden layer.

    With the defaults 494,782 parameters for 384 features, 3,244,222 for 1,024, of which the CNN has 24,764.
    """

    title = "CSTA"

    def __init__(
        self, feature_dim: int, text_dim: int, width: int = 64, cnn_layers: int = 5, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.first_row = nn.Parameter(torch.zeros(1, feature_dim))
        self.key = nn.Linear(feature_dim, feature_dim)
        self.value = nn.Linear(feature_dim, feature_dim)
        channels = [1, *(-(-width // 2**layer) for layer in reversed(range(cnn_layers)))]
        self.cnn = nn.Sequential(*(_CnnLayer(*pair) for pair in pairwise(channels)))
        self.merge = nn.Linear(width, feature_dim)
        self.energy_scale = nn.Parameter(torch.ones(()))  # no shift: both softmaxes would drop it
        self.map_dropout = Dropout(dropout)
        self.regressor = nn.Sequential(
            nn.Linear(feature_dim, feature_dim),
            nn.ReLU(),
            Dropout(dropout),
            nn.LayerNorm(feature_dim, eps=1e-6),
            nn.Linear(feature_dim, 1),
        )

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by what the maps keep of it and of the step before."""
        first = self.first_row.expand(*features.shape[:-2], 1, -1)  # (..., 1, features)
        image = torch.cat([first, features], dim=-2)  # (..., 1 + steps, features)
        key = self.key(image)  # (..., 1 + steps, features)
        energies = key + self.merge(self._seen(key))
        energies = self.energy_scale * functional.layer_norm(energies, energies.shape[-2:])
        energies = energies + sinusoidal_positions(energies.shape[-2], energies.shape[-1], energies.device)
        by_step, by_feature = (self.map_dropout(energies.softmax(dim=axis)) for axis in (-2, -1))
        maps = by_step + by_feature  # (..., 1 + steps, features)
        weighed = self.value(image) * maps
        pairs = (weighed[..., :-1, :] + weighed[..., 1:, :]) / 2  # (..., steps, features)
        return ScorerOutput(self.regressor(pairs).squeeze(-1))

    def _seen(self, image: Tensor) -> Tensor:
        """What the CNN sees around each row of an image, (..., rows, features): (..., rows, width)."""
        seen = self.cnn(image.reshape(-1, 1, *image.shape[-2:]))  # (items, width, fewer rows, fewer columns)
        few = seen.mean(-1).mT  # (items, fewer rows, width)
        # Adaptive average pooling back to all rows, each the mean of one or two of the few; PyTorch's own is not
        # deterministic on a GPU.
        rows, count = torch.arange(image.shape[-2], device=image.device), image.shape[-2]
        start, last = rows * few.shape[-2] // count, ((rows + 1) * few.shape[-2] - 1) // count  # (rows,)
        spread: Tensor = (few[:, start] + few[:, last]) / 2  # (items, rows, width)
        return spread.reshape(*image.shape[:-1], -1)


class _CnnLayer(nn.Sequential):
    """A convolution of 3 x 3 and stride 2, a norm over the whole of an image, and ReLU."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.GroupNorm(1, width), nn.ReLU()
        )
