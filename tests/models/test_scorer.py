"""ClipItScorer: shapes, padding without influence, language that matters, any length."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clipit_lightning.models.attention import MultiHeadAttention, sinusoidal_positions
from clipit_lightning.models.cues import prefer_peaks, step_cues, window_mean
from clipit_lightning.models.scorer import ClipItScorer, ScorerOutput

FEATURES, TEXT, STEPS, CAPTIONS = 12, 12, 9, 4

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def scorer() -> ClipItScorer:
    """Every part in use, and none at 0."""
    torch.manual_seed(0)
    scorer = ClipItScorer(FEATURES, TEXT, width=16, heads=4, windows=(3, 5), score_window=3).eval()
    assert scorer.linear_path is not None
    for parameter in scorer.linear_path.parameters():
        torch.nn.init.normal_(parameter)
    return scorer


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


def gradients(scorer: ClipItScorer, batch: Batch) -> dict[str, Tensor]:
    """Gradient of everything the scorer returns, by parameter."""
    scorer.zero_grad()
    output = scorer(*batch)
    weights = torch.arange(1.0, STEPS + 1)
    total = (output.logits[:, :STEPS] * weights).sum() + output.reconstruction[:, :STEPS].square().sum()
    total.backward()
    return {name: parameter.grad.clone() for name, parameter in scorer.named_parameters() if parameter.grad is not None}


def test_output_has_a_score_and_a_reconstruction_for_every_step(scorer: ClipItScorer) -> None:
    output = scorer(*make_batch())
    assert output.logits.shape == (3, STEPS)
    assert output.reconstruction.shape == (3, STEPS, FEATURES)
    torch.testing.assert_close(output.scores, 1 / (1 + torch.exp(-output.logits)))


def test_scores_lie_between_0_and_1() -> None:
    output = ScorerOutput(torch.tensor([[-200.0, 0.0, 200.0]]), None)
    torch.testing.assert_close(output.scores, torch.tensor([[0.0, 0.5, 1.0]]))


@pytest.mark.parametrize(("steps", "captions"), [(1, 0), (0, 3), (17, 5)])
def test_padding_changes_no_score_and_no_gradient(scorer: ClipItScorer, steps: int, captions: int) -> None:
    plain, padded = make_batch(), pad(make_batch(), steps, captions, garbage=1e3)
    torch.testing.assert_close(scorer(*padded).logits[:, :STEPS], scorer(*plain).logits, rtol=1e-4, atol=1e-5)
    expected, found = gradients(scorer, plain), gradients(scorer, padded)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("garbage", [-1e6, float("nan")])
def test_what_stands_in_the_padding_is_never_read(scorer: ClipItScorer, garbage: float) -> None:
    clean, dirty = (pad(make_batch(), 5, 2, garbage=fill) for fill in (0.0, garbage))
    assert torch.equal(scorer(*dirty).logits, scorer(*clean).logits)
    assert torch.equal(scorer(*dirty).reconstruction, scorer(*clean).reconstruction)
    expected = gradients(scorer, clean)
    for name, gradient in gradients(scorer, dirty).items():
        assert torch.equal(gradient, expected[name]), name


def test_output_is_0_in_the_padding(scorer: ClipItScorer) -> None:
    output = scorer(*pad(make_batch(), 5, 2, garbage=7.0))
    assert not output.logits[:, STEPS:].any()
    assert not output.reconstruction[:, STEPS:].any()


def test_a_video_is_scored_alike_alone_and_in_a_batch(scorer: ClipItScorer) -> None:
    batch = make_batch()
    alone = scorer(*(part[1:2] for part in batch))
    torch.testing.assert_close(scorer(*batch).logits[1:2], alone.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("captions", [0, 2])
def test_a_video_without_captions_is_scored_as_if_language_were_absent(scorer: ClipItScorer, captions: int) -> None:
    features, step_mask, texts, text_mask = make_batch()
    silent = scorer(features, step_mask, texts[:, :captions], torch.zeros_like(text_mask[:, :captions]))
    for parameter in scorer.language.attention.merge.parameters():
        torch.nn.init.zeros_(parameter)
    assert silent.logits.isfinite().all()
    one_silent = text_mask.clone()
    one_silent[0] = False
    torch.testing.assert_close(
        scorer(features, step_mask, texts, one_silent).logits[0], silent.logits[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("captions", [0, 2])
def test_gradients_stay_finite_without_captions(scorer: ClipItScorer, captions: int) -> None:
    features, step_mask, texts, text_mask = make_batch()
    found = gradients(scorer, (features, step_mask, texts[:, :captions], torch.zeros_like(text_mask[:, :captions])))
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert found.keys() == dict(scorer.named_parameters()).keys()  # none is left out: DDP would wait for it


def test_captions_change_scores_and_their_order_does_not(scorer: ClipItScorer) -> None:
    features, step_mask, texts, text_mask = make_batch()
    logits = scorer(features, step_mask, texts, text_mask).logits
    assert not torch.allclose(logits, scorer(features, step_mask, -texts, text_mask).logits, atol=1e-3)
    turned = scorer(features, step_mask, texts.flip(1), text_mask).logits
    torch.testing.assert_close(turned, logits, rtol=1e-4, atol=1e-5)


def test_one_caption_says_the_same_to_every_step_and_two_do_not(scorer: ClipItScorer) -> None:
    queries = torch.randn(1, STEPS, 16)
    attention = scorer.language.attention
    for captions, constant in ((1, True), (2, False)):
        said = attention(queries, torch.randn(1, captions, 16), torch.ones(1, captions, dtype=torch.bool))
        assert torch.allclose(said, said[:, :1], atol=1e-6) is constant


def test_the_order_of_steps_matters(scorer: ClipItScorer) -> None:
    features, *rest = make_batch()
    turned = scorer(features.flip(1), *rest).logits.flip(1)
    assert not torch.allclose(turned, scorer(features, *rest).logits, atol=1e-3)


def test_ten_thousand_steps(scorer: ClipItScorer) -> None:
    with torch.no_grad():
        logits = scorer(*make_batch(videos=1, steps=10_000)).logits
    assert logits.shape == (1, 10_000)
    assert logits.isfinite().all()


def test_attention_is_a_softmax_over_real_keys() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(width=6, heads=2)
    queries, keys = torch.randn(1, 3, 6), torch.randn(1, 4, 6)
    mask = torch.tensor([[True, True, False, True]])
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        query, key, value = (
            layer(tokens)[0, :, head]
            for layer, tokens in ((attention.query, queries), (attention.key, keys), (attention.value, keys))
        )
        weights = torch.exp(query @ key.T / 3**0.5) * mask
        heads.append(weights / weights.sum(1, keepdim=True) @ value)
    torch.testing.assert_close(attention(queries, keys, mask)[0], attention.merge(torch.cat(heads, dim=1)))


def test_heads_must_divide_width() -> None:
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        ClipItScorer(FEATURES, TEXT, width=10, heads=4)


def test_positions_differ_and_do_not_depend_on_the_length() -> None:
    short, long = sinusoidal_positions(50, 7), sinusoidal_positions(20_000, 7)
    assert long.shape == (20_000, 7)
    assert torch.equal(long[:50], short)
    assert torch.cdist(short, short).fill_diagonal_(1.0).min() > 0.1


def test_windows_must_have_a_middle() -> None:
    with pytest.raises(ValueError, match=r"windows \(\[5, 4\]\), score_window \(1\) and peak_window \(1\) must be odd"):
        ClipItScorer(FEATURES, TEXT, windows=(5, 4))
    with pytest.raises(ValueError, match=r"score_window \(2\) and peak_window \(1\) must be odd"):
        ClipItScorer(FEATURES, TEXT, score_window=2)


def test_features_and_captions_of_different_size_still_speak_to_each_other() -> None:
    torch.manual_seed(0)
    scorer = ClipItScorer(FEATURES, TEXT - 3, width=16, heads=4).eval()
    features, step_mask, texts, text_mask = make_batch()
    batch = (features, step_mask, texts[:, :, 3:], text_mask)
    logits = scorer(*batch).logits
    assert not torch.allclose(logits, scorer(features, step_mask, -texts[:, :, 3:], text_mask).logits, atol=1e-3)
    padded = scorer(*pad(batch, 4, 2, garbage=1e3)).logits[:, :STEPS]
    torch.testing.assert_close(padded, logits, rtol=1e-4, atol=1e-5)


def test_without_transformer_and_linear_path_nothing_is_left() -> None:
    scorer = ClipItScorer(FEATURES, TEXT, linear_path=False, transformer_gain=0.0)
    assert not scorer(*make_batch()).logits.any()


def test_without_feature_gain_only_cues_reach_the_linear_path() -> None:
    torch.manual_seed(0)
    scorer = ClipItScorer(FEATURES, TEXT, feature_gain=0.0, transformer_gain=0.0).eval()
    assert scorer.linear_path is not None
    of_features, of_cues = scorer.linear_path
    torch.nn.init.normal_(next(of_features.parameters()))
    assert not scorer(*make_batch()).logits.any()
    torch.nn.init.normal_(next(of_cues.parameters()))
    assert scorer(*make_batch()).logits.std() > 0.1


@pytest.mark.parametrize(("encoder_layers", "decoder_layers"), [(0, 1), (1, 0), (0, 0)])
def test_encoder_and_decoder_can_be_left_out(encoder_layers: int, decoder_layers: int) -> None:
    scorer = ClipItScorer(FEATURES, TEXT, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    logits = scorer(*make_batch()).logits
    assert logits.isfinite().all()
    assert logits.std() > 0


@pytest.mark.parametrize("window", [1, 3, 7, 25])
def test_window_mean_is_the_mean_over_the_real_steps_around(window: int) -> None:
    values = torch.randn(2, 10, 3)
    mask = torch.arange(10) < torch.tensor([[10], [6]])
    found = window_mean(values, mask, window)
    for video, step in mask.nonzero().tolist():
        first, last = max(0, step - window // 2), min(int(mask[video].sum()) - 1, step + window // 2)
        expected = values[video, first : last + 1].mean(0)
        torch.testing.assert_close(found[video, step], expected, rtol=1e-4, atol=1e-5)


def test_cues_are_what_they_say() -> None:
    torch.manual_seed(0)
    features = functional.normalize(torch.randn(1, 20, 6), dim=2)
    captions = functional.normalize(torch.randn(1, 3, 6), dim=2)
    cues = step_cues(features, torch.ones(1, 20).bool(), captions, torch.ones(1, 3).bool(), windows=(5,))[0]
    steps, place = features[0], (torch.arange(20) + 0.5) / 20
    around = [torch.stack([*steps[max(0, i - 2) : i + 3]]).mean(0) for i in range(20)]
    match = steps @ captions[0].T
    raw = [
        steps @ steps.mean(0),
        place,
        torch.stack([place, 1 - place, torch.full((20,), 0.15)]).amin(0),
        torch.stack([step @ mean / mean.norm() for step, mean in zip(steps, around, strict=True)]),
        match.amax(1),
        match.mean(1),
    ]
    for cue, expected in zip(cues.T, raw, strict=True):
        standard = (expected - expected.mean()) / (expected.var(unbiased=False) + 1e-6).sqrt()
        torch.testing.assert_close(cue, standard, rtol=1e-3, atol=1e-4)


def test_cues_of_a_video_without_captions_are_0() -> None:
    features = functional.normalize(torch.randn(1, 8, 6), dim=2)
    for captions in (0, 2):
        texts, unheard = torch.zeros(1, captions, 6), torch.zeros(1, captions, dtype=torch.bool)
        cues = step_cues(features, torch.ones(1, 8).bool(), texts, unheard, windows=())
        assert not cues[:, :, 3:].any()


def test_peaks_stand_above_all_other_steps_in_the_old_order() -> None:
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(40) < torch.tensor([[40], [31], [1]])
    moved = prefer_peaks(logits.masked_fill(~mask, 99.0), mask, 7)
    for row in range(3):
        real = logits[row][mask[row]]
        peak = torch.tensor([value >= real[max(0, place - 3) : place + 4].max() for place, value in enumerate(real)])
        own = moved[row][mask[row]]
        assert peak.any()
        assert torch.equal(own > 0, peak)
        for part in (peak, ~peak):
            assert torch.equal(own[part].argsort(), real[part].argsort())
    assert prefer_peaks(logits, mask, 1) is logits


def test_peaks_are_preferred_only_when_the_scorer_does_not_train() -> None:
    batch = make_batch()
    torch.manual_seed(0)
    plain = ClipItScorer(FEATURES, TEXT, width=16, heads=4, dropout=0.0)
    peaked = ClipItScorer(FEATURES, TEXT, width=16, heads=4, dropout=0.0, peak_window=5)
    peaked.load_state_dict(plain.state_dict())
    assert torch.equal(plain(*batch).logits, peaked(*batch).logits)
    assert not torch.equal(plain.eval()(*batch).logits, peaked.eval()(*batch).logits)


def test_items_that_share_a_video_have_the_scores_and_gradients_of_copies(scorer: ClipItScorer) -> None:
    features, step_mask, texts, text_mask = make_batch()
    one = features[:1]
    shared = gradients(scorer, (one, step_mask[:1].expand(3, -1), texts, text_mask))
    copies = gradients(scorer, (one.expand(3, -1, -1), step_mask[:1].expand(3, -1), texts, text_mask))
    assert shared.keys() == copies.keys()
    for name, gradient in shared.items():
        torch.testing.assert_close(gradient, copies[name], atol=1e-3, rtol=1e-4)
