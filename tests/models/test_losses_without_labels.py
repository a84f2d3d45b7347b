"""Losses without labels: each formula against a naive loop, padding without influence, optima where they should be."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.models.losses_without_labels import language_loss, rarity_loss, spread_loss
from clipit_lightning.models.scorer import ScorerOutput

LENGTHS, TOKENS = (7, 11, 4), (3, 1, 0)
SHARPNESS = 4.0
Values = dict[str, Tensor]


def make_values(garbage: float = 0.0, extra: int = 0) -> Values:
    """A padded batch of everything that these losses read; the last video has no text."""
    generator = torch.Generator().manual_seed(5)
    values = {}
    for name, lengths, size in (("logits", LENGTHS, 1), ("features", LENGTHS, 5), ("text", TOKENS, 5)):
        padded = torch.full((len(lengths), max(lengths) + extra, size), garbage)
        for video, length in enumerate(lengths):
            padded[video, :length] = torch.randn(length, size, generator=generator)
        values[name] = padded
    values["logits"] = values["logits"].squeeze(2)
    values["step_mask"] = torch.arange(max(LENGTHS) + extra) < torch.tensor(LENGTHS).unsqueeze(1)
    values["text_mask"] = torch.arange(max(TOKENS) + extra) < torch.tensor(TOKENS).unsqueeze(1)
    return values


def terms_of(values: Values) -> Values:
    logits, step_mask, features = values["logits"], values["step_mask"], values["features"]
    return {
        "rarity": rarity_loss(logits, step_mask, features, SHARPNESS),
        "language": language_loss(logits, step_mask, features, values["text"], values["text_mask"], SHARPNESS),
        "spread": spread_loss(logits, step_mask),
    }


def naive_shares(logits: np.ndarray) -> np.ndarray:
    scores = 1 / (1 + np.exp(-logits))
    shares: np.ndarray = scores / scores.sum()
    return shares


def naive_log_density(steps: np.ndarray, examples: np.ndarray) -> list[float]:
    """Logarithm of the mean kernel between each step and all examples."""
    found = []
    for step in steps:
        cosines = [step @ each / (np.linalg.norm(step) * np.linalg.norm(each)) for each in examples]
        found.append(math.log(sum(math.exp(SHARPNESS * (cosine - 1)) for cosine in cosines) / len(cosines)))
    return found


def test_terms_are_means_over_videos_of_the_naive_formulas() -> None:
    values = make_values(garbage=50.0)
    expected: dict[str, list[float]] = {"rarity": [], "language": [], "spread": []}
    for video, (steps, tokens) in enumerate(zip(LENGTHS, TOKENS, strict=True)):
        shares = naive_shares(values["logits"][video, :steps].double().numpy())
        features = values["features"][video, :steps].double().numpy()
        text = values["text"][video, :tokens].double().numpy()
        common = naive_log_density(features, features)
        told = naive_log_density(features, text) if tokens else [0.0] * steps
        expected["rarity"].append(np.average(common, weights=shares) - np.mean(common))
        expected["language"].append(np.mean(told) - np.average(told, weights=shares))
        expected["spread"].append(sum(share * math.log(share * steps) for share in shares))
    for name, term in terms_of(values).items():
        assert term.item() == pytest.approx(np.mean(expected[name]), rel=1e-4), name


@pytest.mark.parametrize("garbage", [1e4, float("nan")])
def test_padding_changes_no_term_and_no_gradient(garbage: float) -> None:
    found = []
    for values in (make_values(), make_values(garbage, extra=8)):
        logits = values["logits"].requires_grad_()
        terms = terms_of(values)
        torch.stack(list(terms.values())).sum().backward()
        found.append((terms, logits.grad, values["step_mask"]))
    (plain, plain_gradient, plain_mask), (padded, padded_gradient, padded_mask) = found
    torch.testing.assert_close(padded, plain)
    assert plain_gradient is not None
    assert padded_gradient is not None
    torch.testing.assert_close(padded_gradient[padded_mask], plain_gradient[plain_mask])
    assert not padded_gradient[~padded_mask].any()


def test_items_that_share_a_video_are_as_items_with_a_copy_each() -> None:
    values = make_values()
    mask = values["step_mask"][1:2].expand(3, -1)
    copies = values | {"features": values["features"][1:2].expand(3, -1, -1), "step_mask": mask}
    torch.testing.assert_close(terms_of(copies | {"features": values["features"][1:2]}), terms_of(copies))


def test_the_optimum_is_the_ratio_of_the_densities() -> None:
    values = make_values()
    steps, mask = LENGTHS[0], torch.ones(1, LENGTHS[0], dtype=torch.bool)
    features, text = values["features"][:1, :steps], values["text"][:1, : TOKENS[0]]
    logits = torch.zeros(1, steps, requires_grad=True)
    loss = SummaryLoss(
        keyframe=0, correlation=0, diversity=0, reconstruction=0, length=0, rarity=1, language=2, spread=4,
        sharpness=SHARPNESS,
    )  # fmt: skip
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        text_mask = torch.ones(1, TOKENS[0], dtype=torch.bool)
        loss(ScorerOutput(logits, None), features, mask, logits, logits, text, text_mask)["total"].backward()
        optimizer.step()
    common = np.array(naive_log_density(features[0].numpy(), features[0].numpy()))
    told = np.array(naive_log_density(features[0].numpy(), text[0].numpy()))
    expected = np.exp((2 * told - common) / 4)
    np.testing.assert_allclose(naive_shares(logits[0].detach().numpy()), expected / expected.sum(), rtol=1e-3)


def test_the_loss_reads_no_annotation_and_every_term_has_its_weight() -> None:
    values = make_values()
    weights = {"rarity": 0.5, "language": 2.0, "spread": 0.25}
    loss = SummaryLoss(
        keyframe=0, correlation=0, diversity=0, reconstruction=0, length=0, sharpness=SHARPNESS, **weights
    )
    nothing = torch.full_like(values["logits"], float("nan"))
    output = ScorerOutput(values["logits"], None)
    rest = [values["features"], values["step_mask"], nothing, nothing, values["text"], values["text_mask"]]
    terms = loss(output, *rest)
    expected = terms_of(values)
    assert terms.keys() == {*weights, "total"}
    torch.testing.assert_close({name: terms[name] for name in weights}, expected)
    assert terms["total"].item() == pytest.approx(sum(weights[name] * expected[name].item() for name in weights))


def test_language_is_left_out_where_text_cannot_be_compared() -> None:
    values = make_values()
    loss = SummaryLoss(keyframe=0, correlation=0, length=0, rarity=1, language=1, spread=1)
    output, rest = ScorerOutput(values["logits"], None), [values[name] for name in ("features", "step_mask", "logits")]
    without = loss(output, *rest, values["logits"])
    other = loss(output, *rest, values["logits"], values["text"][..., :3], values["text_mask"])
    assert without.keys() == other.keys() == {"rarity", "spread", "total"}


def test_many_steps_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = make_values()
    whole = terms_of(values)
    monkeypatch.setattr("clipit_lightning.models.step_cues.ROWS_AT_ONCE", 3)
    torch.testing.assert_close(terms_of(values), whole)


def test_extreme_scores_give_finite_terms_and_gradients() -> None:
    values = make_values()
    logits = (1000 * values["logits"]).requires_grad_()
    torch.stack(list(terms_of(values | {"logits": logits}).values())).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    one = torch.tensor([[200.0, -200.0, -200.0]])
    assert spread_loss(one, torch.ones(1, 3, dtype=torch.bool)).item() == pytest.approx(math.log(3), rel=1e-5)
