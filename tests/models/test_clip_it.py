"""ClipItScorer, the paper's: padding without influence, language that matters, every parameter learns."""

import pytest
import torch
from torch.nn import functional

from clipit_lightning.models.clip_it import ClipItScorer
from tests.support.batches import FEATURES, check_items_may_share_a_video, check_padding_has_no_influence, make_batch

TEXT = 3


@pytest.fixture
def scorer() -> ClipItScorer:
    """Text of another size than features; weights large enough for attention that differs from a mean."""
    torch.manual_seed(0)
    scorer = ClipItScorer(FEATURES, TEXT, width=8, heads=2).eval()
    for layer in (scorer.language.attention.query, scorer.language.attention.key):
        torch.nn.init.normal_(layer.weight)
    return scorer


def test_every_step_has_a_score_and_rebuilt_features(scorer: ClipItScorer) -> None:
    output = scorer(*make_batch([9, 4], tokens=2))
    assert output.logits.shape == (2, 9)
    assert output.reconstruction.shape == (2, 9, FEATURES)
    assert output.reconstruction.isfinite().all()


@pytest.mark.parametrize("tokens", [0, 1, 4])
def test_padding_has_no_influence(scorer: ClipItScorer, tokens: int) -> None:
    check_padding_has_no_influence(scorer, tokens=tokens)


@pytest.mark.parametrize("garbage", [1e6, float("nan")])
def test_masked_tokens_have_no_influence(scorer: ClipItScorer, garbage: float) -> None:
    features, step_mask, text, text_mask = make_batch([9, 4], tokens=3)
    behind = functional.pad(text, (0, 0, 0, 2), value=garbage)
    padded = scorer(features, step_mask, behind, functional.pad(text_mask, (0, 2)))
    plain = scorer(features, step_mask, text, text_mask)
    torch.testing.assert_close(padded.logits, plain.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(padded.reconstruction, plain.reconstruction, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tokens", [0, 2])
def test_a_video_may_have_no_text(scorer: ClipItScorer, tokens: int) -> None:
    """Beside one that has some; its score is that of a batch in which nobody has."""
    features, step_mask, text, text_mask = make_batch([9, 9], tokens=tokens)
    silent = scorer(features, step_mask, text, torch.zeros_like(text_mask))
    assert silent.logits.isfinite().all()
    torch.testing.assert_close(silent.logits, scorer(features, step_mask, text[:, :0], text_mask[:, :0]).logits)
    if tokens:
        text_mask[0] = False
        found = scorer(features, step_mask, text, text_mask).logits
        torch.testing.assert_close(found[0], silent.logits[0], rtol=1e-4, atol=1e-5)
        assert (found[1] - silent.logits[1]).abs().max() > 1e-3


def test_what_the_text_says_matters_and_its_order_does_not(scorer: ClipItScorer) -> None:
    features, step_mask, text, text_mask = make_batch([12], tokens=3)
    logits = scorer(features, step_mask, text, text_mask).logits
    other = scorer(features, step_mask, -text, text_mask).logits
    assert (other - logits).abs().max() > 1e-2
    turned = scorer(features, step_mask, text.flip(1), text_mask).logits
    torch.testing.assert_close(turned, logits, rtol=1e-4, atol=1e-5)


def test_lengths_of_features_and_text_do_not_matter(scorer: ClipItScorer) -> None:
    """Both are read as unit vectors."""
    features, step_mask, text, text_mask = make_batch([12], tokens=3)
    plain = scorer(features, step_mask, text, text_mask)
    scaled = scorer(5 * features, step_mask, 0.2 * text, text_mask)
    torch.testing.assert_close(scaled.logits, plain.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tokens", [0, 3])
def test_every_parameter_learns(scorer: ClipItScorer, tokens: int) -> None:
    """Without text those of language have gradients of 0: a process of several waits for each."""
    output = scorer(*make_batch([12, 7], tokens=tokens))
    (output.logits.square().sum() + output.reconstruction.square().sum()).backward()
    for name, parameter in scorer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        of_language = name.startswith(("language.attention", "text_projection"))
        constant = name.endswith("key.bias")  # the same is added to all energies of a query: a softmax drops it
        assert parameter.grad.any() or constant or (of_language and not tokens), name


def test_items_may_share_a_video(scorer: ClipItScorer) -> None:
    check_items_may_share_a_video(scorer, tokens=2)
    features, step_mask, text, text_mask = make_batch([9], tokens=2)
    pair = (step_mask.expand(2, -1), torch.cat([text, -text]), text_mask.expand(2, -1))
    logits = scorer(features, *pair).logits
    assert (logits[0] - logits[1]).abs().max() > 1e-2


def test_heads_must_divide_width() -> None:
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        ClipItScorer(FEATURES, TEXT, width=10, heads=4)
