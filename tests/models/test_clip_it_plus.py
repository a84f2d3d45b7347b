"""What a scorer of CLIP-It may be made of."""

from inspect import signature

import pytest

from clipit_lightning.core.config_model import LossConfig, ModelConfig
from clipit_lightning.models.clip_it import ClipItScorer
from clipit_lightning.models.clip_it_plus import ClipItPlusScorer
from clipit_lightning.models.losses import SummaryLoss


@pytest.mark.parametrize("size", [{"windows": (5, 4)}, {"alike_window": 4}, {"score_window": 2}, {"peak_window": 6}])
def test_windows_must_have_a_middle(size):
    with pytest.raises(ValueError, match=r"must be odd: a step is their middle"):
        ClipItPlusScorer(12, 12, **size)


@pytest.mark.parametrize("made", [ClipItScorer, ClipItPlusScorer])
def test_heads_must_divide_width(made):
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        made(12, 12, width=10, heads=4)


def test_defaults_are_those_of_the_configuration():
    """A scorer, and a loss, made in Python is that of a configuration which says nothing."""
    for made, section in (
        (ClipItPlusScorer, ModelConfig()),
        (ClipItScorer, ModelConfig()),
        (SummaryLoss, LossConfig()),
    ):
        defaults = {name: option.default for name, option in signature(made).parameters.items()}
        shared = defaults.keys() & vars(section).keys()
        assert len(shared) > 4
        for name in shared:
            wanted = getattr(section, name)
            assert defaults[name] == (tuple(wanted) if isinstance(wanted, list) else wanted), (made, name)
