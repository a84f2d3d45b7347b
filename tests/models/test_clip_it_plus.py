"""What CLIP-It+ adds to CLIP-It, each addition by itself."""

from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor

from clipit_lightning.core.config import LossConfig, ModelConfig
from clipit_lightning.models.clip_it import ClipItScorer
from clipit_lightning.models.clip_it_plus import ClipItPlusScorer, TransformerScorer
from clipit_lightning.models.losses import SummaryLoss

FEATURES, TEXT, STEPS, CAPTIONS = 12, 12, 9, 4

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def bare(**given: Any) -> ClipItPlusScorer:
    """No dropout and no averaging, but for what is given."""
    options: dict[str, Any] = {"dropout": 0.0, "input_dropout": 0.0, "alike_gain": 0.0, "score_window": 1}
    return ClipItPlusScorer(FEATURES, TEXT, width=16, heads=4, **options | given)


def make_batch(videos: int = 3, steps: int = STEPS, captions: int = CAPTIONS) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(videos, steps, FEATURES, generator=generator),
        torch.ones(videos, steps, dtype=torch.bool),
        torch.randn(videos, captions, TEXT, generator=generator),
        torch.ones(videos, captions, dtype=torch.bool),
    )


@pytest.mark.parametrize("size", [{"windows": (5, 4)}, {"alike_window": 4}, {"score_window": 2}, {"peak_window": 6}])
def test_windows_must_have_a_middle(size: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be odd: a step is their middle"):
        ClipItPlusScorer(FEATURES, TEXT, **size)


def test_without_feature_gain_only_cues_reach_the_linear_path() -> None:
    torch.manual_seed(0)
    scorer = bare(feature_gain=0.0, transformer_gain=0.0, linear_path=True).eval()
    assert scorer.linear_path is not None
    of_features, of_cues = scorer.linear_path
    torch.nn.init.normal_(next(of_features.parameters()))
    assert not scorer(*make_batch()).logits.any()
    torch.nn.init.normal_(next(of_cues.parameters()))
    assert scorer(*make_batch()).logits.std() > 0.1


@pytest.mark.parametrize("option", [{"peak_window": 5}, {"alike_gain": 2.0}])
def test_peaks_and_what_looks_alike_count_only_when_the_scorer_does_not_train(option: dict[str, Any]) -> None:
    batch = make_batch()
    torch.manual_seed(0)
    plain, other = bare(), bare(**option)
    other.load_state_dict(plain.state_dict())
    assert torch.equal(plain(*batch).logits, other(*batch).logits)
    assert not torch.equal(plain.eval()(*batch).logits, other.eval()(*batch).logits)


def test_without_language_no_text_has_an_influence() -> None:
    torch.manual_seed(0)
    scorer = TransformerScorer(FEATURES, TEXT, width=16, heads=4).eval()
    features, step_mask, texts, text_mask = make_batch()
    plain = scorer(features, step_mask, texts, text_mask)
    for other in (-texts, texts[:, :0], texts.fill_(float("nan"))):
        output = scorer(features, step_mask, other, text_mask[:, : other.shape[1]])
        assert torch.equal(output.logits, plain.logits)
        assert torch.equal(output.reconstruction, plain.reconstruction)
    assert not any("text" in name or "language" in name for name, _ in scorer.named_parameters())


def test_steps_that_look_alike_share_their_logits() -> None:
    """With a sharp gain, a video of two shots of equal steps has two scores, the means over the shots."""
    torch.manual_seed(0)
    plain, sharing = (bare(alike_gain=gain, alike_window=1).eval() for gain in (0.0, 1000.0))
    sharing.load_state_dict(plain.state_dict())
    look = torch.zeros(1, STEPS, FEATURES)
    look[0, [0, 1, 5], 0] = 1.0
    look[0, [2, 3, 4, 6, 7, 8], 1] = 1.0
    _, *rest = make_batch(videos=1)
    logits, shared = (scorer(look, *rest).logits[0] for scorer in (plain, sharing))
    for shot in ([0, 1, 5], [2, 3, 4, 6, 7, 8]):
        torch.testing.assert_close(shared[shot], logits[shot].mean().expand(len(shot)))
    assert (logits - shared).abs().max() > 1e-3


def test_defaults_are_those_of_the_configuration() -> None:
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
