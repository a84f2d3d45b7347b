"""ClipItPlusScorer: shapes, padding without influence, language that matters, any length."""

from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor

from clipit_lightning.core.config_learning import LossConfig, ModelConfig
from clipit_lightning.models.clip_it import ClipItScorer
from clipit_lightning.models.clip_it_plus import ClipItPlusScorer
from clipit_lightning.models.losses import SummaryLoss

FEATURES, TEXT, STEPS, CAPTIONS = 12, 12, 9, 4

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def scorer() -> ClipItPlusScorer:
    """Every part in use, and none at 0."""
    torch.manual_seed(0)
    parts: dict[str, Any] = {"linear_path": True, "alike_gain": 2.0, "alike_window": 3, "score_window": 3}
    scorer = ClipItPlusScorer(FEATURES, TEXT, width=16, heads=4, windows=(3, 5), **parts).eval()
    assert scorer.linear_path is not None
    for parameter in scorer.linear_path.parameters():
        torch.nn.init.normal_(parameter)
    return scorer


def bare(**given: Any) -> ClipItPlusScorer:
    """No dropout and no averaging, but for what is given."""
    parts: dict[str, Any] = {"dropout": 0.0, "input_dropout": 0.0, "alike_gain": 0.0, "score_window": 1}
    return ClipItPlusScorer(FEATURES, TEXT, width=16, heads=4, **parts | given)


def make_batch(videos: int = 3, steps: int = STEPS, captions: int = CAPTIONS) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(videos, steps, FEATURES, generator=generator),
        torch.ones(videos, steps, dtype=torch.bool),
        torch.randn(videos, captions, TEXT, generator=generator),
        torch.ones(videos, captions, dtype=torch.bool),
    )


def pad(batch: Batch, steps: int, captions: int, garbage: float) -> Batch:
    """The same videos with garbage behind their steps and captions, masked."""

    def behind(values: Tensor, count: int, fill: float | bool) -> Tensor:
        padding = torch.full_like(values[:, :1], fill).repeat_interleave(count, dim=1)
        return torch.cat([values, padding], dim=1)

    features, step_mask, texts, text_mask = batch
    return (
        behind(features, steps, garbage),
        behind(step_mask, steps, False),
        behind(texts, captions, garbage),
        behind(text_mask, captions, False),
    )


def gradients(scorer: ClipItPlusScorer, batch: Batch) -> dict[str, Tensor]:
    """Gradient of everything the scorer returns, by parameter."""
    scorer.zero_grad()
    output = scorer(*batch)
    weights = torch.arange(1.0, STEPS + 1)
    total = (output.logits[:, :STEPS] * weights).sum() + output.reconstruction[:, :STEPS].square().sum()
    total.backward()
    return {name: parameter.grad.clone() for name, parameter in scorer.named_parameters() if parameter.grad is not None}


def test_output_has_a_score_and_a_reconstruction_for_every_step(scorer: ClipItPlusScorer) -> None:
    output = scorer(*make_batch())
    assert output.logits.shape == (3, STEPS)
    assert output.reconstruction.shape == (3, STEPS, FEATURES)
    torch.testing.assert_close(output.scores, 1 / (1 + torch.exp(-output.logits)))


@pytest.mark.parametrize(("steps", "captions"), [(1, 0), (0, 3), (17, 5)])
def test_padding_changes_no_score_and_no_gradient(scorer: ClipItPlusScorer, steps: int, captions: int) -> None:
    plain, padded = make_batch(), pad(make_batch(), steps, captions, garbage=1e3)
    torch.testing.assert_close(scorer(*padded).logits[:, :STEPS], scorer(*plain).logits, rtol=1e-4, atol=1e-5)
    expected, found = gradients(scorer, plain), gradients(scorer, padded)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("garbage", [-1e6, float("nan")])
def test_what_stands_in_the_padding_is_never_read(scorer: ClipItPlusScorer, garbage: float) -> None:
    clean, dirty = (pad(make_batch(), 5, 2, garbage=fill) for fill in (0.0, garbage))
    assert torch.equal(scorer(*dirty).logits, scorer(*clean).logits)
    assert torch.equal(scorer(*dirty).reconstruction, scorer(*clean).reconstruction)
    expected = gradients(scorer, clean)
    for name, gradient in gradients(scorer, dirty).items():
        assert torch.equal(gradient, expected[name]), name


def test_output_is_0_in_the_padding(scorer: ClipItPlusScorer) -> None:
    output = scorer(*pad(make_batch(), 5, 2, garbage=7.0))
    assert not output.logits[:, STEPS:].any()
    assert not output.reconstruction[:, STEPS:].any()


def test_a_video_is_scored_alike_alone_and_in_a_batch(scorer: ClipItPlusScorer) -> None:
    batch = make_batch()
    alone = scorer(*(part[1:2] for part in batch))
    torch.testing.assert_close(scorer(*batch).logits[1:2], alone.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("captions", [0, 2])
def test_a_video_without_captions_is_scored_as_if_language_were_absent(scorer: ClipItPlusScorer, captions: int) -> None:
    features, step_mask, texts, text_mask = make_batch()
    silent = scorer(features, step_mask, texts[:, :captions], torch.zeros_like(text_mask[:, :captions]))
    assert scorer.language is not None
    for parameter in scorer.language.attention.merge.parameters():
        torch.nn.init.zeros_(parameter)
    assert silent.logits.isfinite().all()
    one_silent = text_mask.clone()
    one_silent[0] = False
    torch.testing.assert_close(
        scorer(features, step_mask, texts, one_silent).logits[0], silent.logits[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("captions", [0, 2])
def test_gradients_stay_finite_without_captions(scorer: ClipItPlusScorer, captions: int) -> None:
    features, step_mask, texts, text_mask = make_batch()
    found = gradients(scorer, (features, step_mask, texts[:, :captions], torch.zeros_like(text_mask[:, :captions])))
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert found.keys() == dict(scorer.named_parameters()).keys()  # none is left out: DDP would wait for it


def test_captions_change_scores_and_their_order_does_not(scorer: ClipItPlusScorer) -> None:
    features, step_mask, texts, text_mask = make_batch()
    logits = scorer(features, step_mask, texts, text_mask).logits
    assert not torch.allclose(logits, scorer(features, step_mask, -texts, text_mask).logits, atol=1e-3)
    turned = scorer(features, step_mask, texts.flip(1), text_mask).logits
    torch.testing.assert_close(turned, logits, rtol=1e-4, atol=1e-5)


def test_one_caption_says_the_same_to_every_step_and_two_do_not(scorer: ClipItPlusScorer) -> None:
    queries = torch.randn(1, STEPS, 16)
    assert scorer.language is not None
    attention = scorer.language.attention
    for captions, constant in ((1, True), (2, False)):
        said = attention(queries, torch.randn(1, captions, 16), torch.ones(1, captions, dtype=torch.bool))
        assert torch.allclose(said, said[:, :1], atol=1e-6) is constant


def test_the_order_of_steps_matters(scorer: ClipItPlusScorer) -> None:
    features, *rest = make_batch()
    turned = scorer(features.flip(1), *rest).logits.flip(1)
    assert not torch.allclose(turned, scorer(features, *rest).logits, atol=1e-3)


def test_ten_thousand_steps(scorer: ClipItPlusScorer) -> None:
    with torch.no_grad():
        logits = scorer(*make_batch(videos=1, steps=10_000)).logits
    assert logits.shape == (1, 10_000)
    assert logits.isfinite().all()


def test_heads_must_divide_width() -> None:
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        ClipItPlusScorer(FEATURES, TEXT, width=10, heads=4)


@pytest.mark.parametrize("size", [{"windows": (5, 4)}, {"alike_window": 4}, {"score_window": 2}, {"peak_window": 6}])
def test_windows_must_have_a_middle(size: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be odd: a step is their middle"):
        ClipItPlusScorer(FEATURES, TEXT, **size)


def test_features_and_captions_of_different_size_still_speak_to_each_other() -> None:
    torch.manual_seed(0)
    scorer = ClipItPlusScorer(FEATURES, TEXT - 3, width=16, heads=4).eval()
    features, step_mask, texts, text_mask = make_batch()
    batch = (features, step_mask, texts[:, :, 3:], text_mask)
    logits = scorer(*batch).logits
    assert not torch.allclose(logits, scorer(features, step_mask, -texts[:, :, 3:], text_mask).logits, atol=1e-3)
    padded = scorer(*pad(batch, 4, 2, garbage=1e3)).logits[:, :STEPS]
    torch.testing.assert_close(padded, logits, rtol=1e-4, atol=1e-5)


def test_without_transformer_and_linear_path_nothing_is_left() -> None:
    scorer = ClipItPlusScorer(FEATURES, TEXT, linear_path=False, transformer_gain=0.0)
    assert not scorer(*make_batch()).logits.any()


def test_without_feature_gain_only_cues_reach_the_linear_path() -> None:
    torch.manual_seed(0)
    scorer = bare(feature_gain=0.0, transformer_gain=0.0, linear_path=True).eval()
    assert scorer.linear_path is not None
    of_features, of_cues = scorer.linear_path
    torch.nn.init.normal_(next(of_features.parameters()))
    assert not scorer(*make_batch()).logits.any()
    torch.nn.init.normal_(next(of_cues.parameters()))
    assert scorer(*make_batch()).logits.std() > 0.1


@pytest.mark.parametrize(("encoder_layers", "decoder_layers"), [(0, 1), (1, 0), (0, 0)])
def test_encoder_and_decoder_can_be_left_out(encoder_layers: int, decoder_layers: int) -> None:
    scorer = ClipItPlusScorer(FEATURES, TEXT, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    logits = scorer(*make_batch()).logits
    assert logits.isfinite().all()
    assert logits.std() > 0


def test_peaks_are_preferred_only_when_the_scorer_does_not_train() -> None:
    batch = make_batch()
    torch.manual_seed(0)
    plain = bare()
    peaked = bare(peak_window=5)
    peaked.load_state_dict(plain.state_dict())
    assert torch.equal(plain(*batch).logits, peaked(*batch).logits)
    assert not torch.equal(plain.eval()(*batch).logits, peaked.eval()(*batch).logits)


def test_items_that_share_a_video_have_the_scores_and_gradients_of_copies(scorer: ClipItPlusScorer) -> None:
    features, step_mask, texts, text_mask = make_batch()
    one = features[:1]
    shared = gradients(scorer, (one, step_mask[:1].expand(3, -1), texts, text_mask))
    copies = gradients(scorer, (one.expand(3, -1, -1), step_mask[:1].expand(3, -1), texts, text_mask))
    assert shared.keys() == copies.keys()
    for name, gradient in shared.items():
        torch.testing.assert_close(gradient, copies[name], atol=1e-3, rtol=1e-4)


def test_without_language_no_text_has_an_influence() -> None:
    torch.manual_seed(0)
    scorer = ClipItPlusScorer(FEATURES, TEXT, width=16, heads=4, linear_path=False, language=False).eval()
    features, step_mask, texts, text_mask = make_batch()
    plain = scorer(features, step_mask, texts, text_mask)
    for other in (-texts, texts[:, :0], texts.fill_(float("nan"))):
        found = scorer(features, step_mask, other, text_mask[:, : other.shape[1]])
        assert torch.equal(found.logits, plain.logits)
        assert torch.equal(found.reconstruction, plain.reconstruction)
    assert not any("text" in name or "language" in name for name, _ in scorer.named_parameters())
    assert gradients(scorer, make_batch()).keys() == dict(scorer.named_parameters()).keys()


def test_without_language_items_of_one_video_have_the_same_scores() -> None:
    torch.manual_seed(0)
    scorer = ClipItPlusScorer(FEATURES, TEXT, width=16, heads=4, language=False).eval()
    features, step_mask, texts, text_mask = make_batch()
    logits = scorer(features[:1], step_mask[:1].expand(3, -1), texts, text_mask).logits
    assert logits.shape == (3, STEPS)
    torch.testing.assert_close(logits, scorer(features[:1].expand(3, -1, -1), step_mask, texts, text_mask).logits)
    torch.testing.assert_close(logits, logits[:1].expand(3, -1))


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


def test_steps_do_not_share_their_logits_while_the_scorer_trains() -> None:
    torch.manual_seed(0)
    plain, sharing = (bare(alike_gain=gain).train() for gain in (0.0, 2.0))
    sharing.load_state_dict(plain.state_dict())
    batch = make_batch(videos=2)
    assert torch.equal(plain(*batch).logits, sharing(*batch).logits)
    assert not torch.equal(plain.eval()(*batch).logits, sharing.eval()(*batch).logits)


def test_defaults_are_those_of_the_configuration() -> None:
    """A scorer, and a loss, made in Python is that of a configuration which says nothing."""
    for made, section in (
        (ClipItPlusScorer, ModelConfig()),
        (ClipItScorer, ModelConfig()),
        (SummaryLoss, LossConfig()),
    ):
        defaults = {name: each.default for name, each in signature(made).parameters.items()}
        shared = defaults.keys() & vars(section).keys()
        assert len(shared) > 4
        for name in shared:
            wanted = getattr(section, name)
            assert defaults[name] == (tuple(wanted) if isinstance(wanted, list) else wanted), (made, name)
