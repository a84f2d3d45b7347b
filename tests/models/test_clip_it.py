"""CLIP-It and CLIP-It+ and their text: any number of tokens, or none, with padding without influence."""

import pytest
import torch
from torch.nn import functional

from clipit_lightning.models.clip_it import ClipItScorer
from clipit_lightning.models.clip_it_plus import ClipItPlusScorer
from clipit_lightning.models.scorer import Scorer
from tests.support.batches import FEATURES, make_batch

TEXT = 3


@pytest.fixture(params=[ClipItScorer, ClipItPlusScorer])
def scorer(request: pytest.FixtureRequest) -> ClipItScorer | ClipItPlusScorer:
    """Text of another size than features; weights large enough for attention that differs from a mean."""
    torch.manual_seed(0)
    scorer: ClipItScorer | ClipItPlusScorer = request.param(FEATURES, TEXT, width=8, heads=2).eval()
    assert scorer.language is not None
    for layer in (scorer.language.attention.query, scorer.language.attention.key):
        torch.nn.init.normal_(layer.weight)
    return scorer


@pytest.mark.parametrize("garbage", [1e6, float("nan")])
def test_masked_tokens_have_no_influence(scorer: Scorer, garbage: float) -> None:
    features, step_mask, text, text_mask = make_batch([9, 4], tokens=3)
    behind = functional.pad(text, (0, 0, 0, 2), value=garbage)
    padded = scorer(features, step_mask, behind, functional.pad(text_mask, (0, 2)))
    plain = scorer(features, step_mask, text, text_mask)
    torch.testing.assert_close(padded.logits, plain.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(padded.reconstruction, plain.reconstruction, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tokens", [0, 2])
def test_a_video_may_have_no_text(scorer: Scorer, tokens: int) -> None:
    """Beside one that has some; its score is that of a batch in which nobody has."""
    features, step_mask, text, text_mask = make_batch([9, 9], tokens=tokens)
    silent = scorer(features, step_mask, text, torch.zeros_like(text_mask))
    assert silent.logits.isfinite().all()
    torch.testing.assert_close(silent.logits, scorer(features, step_mask, text[:, :0], text_mask[:, :0]).logits)
    if tokens:
        text_mask[0] = False
        logits = scorer(features, step_mask, text, text_mask).logits
        torch.testing.assert_close(logits[0], silent.logits[0], rtol=1e-4, atol=1e-5)
        assert (logits[1] - silent.logits[1]).abs().max() > 1e-3


def test_lengths_of_features_and_text_do_not_matter(scorer: Scorer) -> None:
    """Both are read as unit vectors."""
    features, step_mask, text, text_mask = make_batch([12], tokens=3)
    plain = scorer(features, step_mask, text, text_mask)
    scaled = scorer(5 * features, step_mask, 0.2 * text, text_mask)
    torch.testing.assert_close(scaled.logits, plain.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("made", [ClipItScorer, ClipItPlusScorer])
def test_heads_must_divide_width(made: type[Scorer]) -> None:
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        made(FEATURES, TEXT, width=10, heads=4)
