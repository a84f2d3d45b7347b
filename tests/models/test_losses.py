"""Losses: each formula against a naive loop, and padding without influence."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from clipit_lightning.models.losses import (
    SummaryLoss,
    correlation_loss,
    diversity_loss,
    keyframe_loss,
    reconstruction_loss,
)
from clipit_lightning.models.scorer import ScorerOutput

LENGTHS = (7, 11, 4)


def make_values(garbage: float = 0.0, length: int = max(LENGTHS)) -> dict[str, Tensor]:
    """A padded batch of everything that a loss may read."""
    generator = torch.Generator().manual_seed(3)
    step_mask = torch.arange(length) < torch.tensor(LENGTHS).unsqueeze(1)
    values = {"step_mask": step_mask}
    for name in ("logits", "importance", "keyframes", "features", "rebuilt"):
        features = 5 if name in ("features", "rebuilt") else 1
        padded = torch.full((len(LENGTHS), length, features), garbage)
        for video, steps in enumerate(LENGTHS):
            padded[video, :steps] = torch.randn(steps, features, generator=generator)
        values[name] = padded.squeeze(2) if features == 1 else padded
    values["keyframes"] = torch.where(step_mask, (values["keyframes"] > 0).float(), garbage)
    values["importance"] = torch.where(step_mask, torch.sigmoid(values["importance"]), garbage)
    return values


def compute(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every term for these values."""
    loss = SummaryLoss(keyframe=1.0, correlation=1.0, diversity=1.0, reconstruction=1.0, length=1.0)
    output = ScorerOutput(values["logits"], values["rebuilt"])
    terms: dict[str, Tensor] = loss(
        output, values["features"], values["step_mask"], values["keyframes"], values["importance"]
    )
    return terms


def read_gradient(values: Tensor) -> Tensor:
    assert values.grad is not None
    return values.grad


def naive_keyframe(logits: np.ndarray, keyframes: np.ndarray) -> float:
    scores = 1 / (1 + np.exp(-logits))
    of_keys = [-math.log(score) for score, key in zip(scores, keyframes, strict=True) if key]
    of_rest = [-math.log(1 - score) for score, key in zip(scores, keyframes, strict=True) if not key]
    return float(np.mean([np.mean(part) for part in (of_keys, of_rest) if part]))


def naive_diversity(rebuilt: np.ndarray, scores: np.ndarray) -> float:
    total = weight = 0.0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if i != j:
                cosine = rebuilt[i] @ rebuilt[j] / (np.linalg.norm(rebuilt[i]) * np.linalg.norm(rebuilt[j]))
                total += scores[i] * scores[j] * cosine
                weight += scores[i] * scores[j]
    return float(total / weight)


def naive_reconstruction(rebuilt: np.ndarray, features: np.ndarray, scores: np.ndarray) -> float:
    energy = np.mean([np.linalg.norm(feature) ** 2 for feature in features])
    errors = [np.linalg.norm(a - b) ** 2 / energy for a, b in zip(rebuilt, features, strict=True)]
    return float(np.average(errors, weights=scores))


def test_terms_are_means_over_videos_of_the_naive_formulas() -> None:
    values = make_values(garbage=50.0)
    expected: dict[str, list[float]] = {
        name: [] for name in ("keyframe", "correlation", "diversity", "reconstruction", "length")
    }
    for video, steps in enumerate(LENGTHS):
        of = {name: value[video, :steps].double().numpy() for name, value in values.items()}
        scores = 1 / (1 + np.exp(-of["logits"]))
        expected["keyframe"].append(naive_keyframe(of["logits"], of["keyframes"]))
        expected["correlation"].append(1 - np.corrcoef(of["logits"], of["importance"])[0, 1])
        expected["diversity"].append(naive_diversity(of["rebuilt"], scores))
        expected["reconstruction"].append(naive_reconstruction(of["rebuilt"], of["features"], scores))
        expected["length"].append((scores.mean() - 0.15) ** 2)
    terms = compute(values)
    for name, by_video in expected.items():
        assert terms[name].item() == pytest.approx(np.mean(by_video), rel=1e-4), name


@pytest.mark.parametrize("garbage", [1e4, float("nan")])
def test_padding_changes_no_term_and_no_gradient(garbage: float) -> None:
    found = []
    for values in (make_values(), make_values(garbage, length=19)):
        read = {name: values[name].requires_grad_() for name in ("logits", "rebuilt")}
        terms = compute(values)
        terms["total"].backward()
        found.append((terms, {name: read_gradient(value) for name, value in read.items()}, values["step_mask"]))
    (plain, plain_gradients, plain_mask), (padded, padded_gradients, padded_mask) = found
    torch.testing.assert_close(padded, plain)
    for name, gradient in padded_gradients.items():
        torch.testing.assert_close(gradient[padded_mask], plain_gradients[name][plain_mask])
        assert not gradient[~padded_mask].any()


def test_unsupervised_terms_never_read_an_annotation() -> None:
    values = make_values()
    loss = SummaryLoss(keyframe=0.0, correlation=0.0)
    nothing = torch.full_like(values["logits"], float("nan"))
    values["logits"].requires_grad_()
    output = ScorerOutput(values["logits"], values["rebuilt"])
    terms = loss(output, values["features"], values["step_mask"], nothing, nothing)
    terms["total"].backward()
    assert terms.keys() == {"diversity", "reconstruction", "length", "total"}
    assert terms["total"].isfinite()
    assert read_gradient(values["logits"]).isfinite().all()


def test_terms_without_reconstruction_are_left_out() -> None:
    values = make_values()
    rest = [values[name] for name in ("features", "step_mask", "keyframes", "importance")]
    terms = SummaryLoss(diversity=1.0, reconstruction=1.0)(ScorerOutput(values["logits"], None), *rest)
    assert terms.keys() == {"keyframe", "correlation", "length", "total"}
    unsupervised = SummaryLoss(keyframe=0.0, correlation=0.0, length=0.0)
    with pytest.raises(ValueError, match="need a scorer that reconstructs features"):
        unsupervised(ScorerOutput(values["logits"], None), *rest)


@pytest.mark.parametrize(
    "term",
    [
        lambda logits, mask: correlation_loss(logits, mask, torch.full_like(logits, 0.5)),
        lambda logits, mask: correlation_loss(0 * logits, mask, torch.full_like(logits, 0.5)),
        lambda logits, mask: keyframe_loss(logits, mask, torch.zeros_like(logits)),
        lambda logits, mask: keyframe_loss(logits, mask, torch.ones_like(logits)),
        lambda logits, mask: diversity_loss(0 * logits.unsqueeze(2), mask, torch.sigmoid(logits)),
        lambda logits, mask: diversity_loss(logits[:, :1, None], mask[:, :1], torch.sigmoid(logits[:, :1])),
        lambda logits, mask: reconstruction_loss(
            logits.unsqueeze(2), torch.zeros(*logits.shape, 1), mask, torch.sigmoid(-100 + 0 * logits)
        ),
    ],
    ids=[
        "flat importance",
        "flat logits",
        "no keys",
        "keys only",
        "rebuilt as 0",
        "one step",
        "nothing chosen",
    ],
)
def test_degenerate_videos_give_finite_terms_and_gradients(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits = torch.randn(2, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = term(logits, torch.ones(2, 6, dtype=torch.bool))
    loss.backward()
    assert loss.isfinite()
    assert read_gradient(logits).isfinite().all()


def test_a_video_of_one_class_has_the_plain_mean() -> None:
    logits, mask = torch.tensor([[0.0, 2.0]]), torch.ones(1, 2, dtype=torch.bool)
    expected = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    assert keyframe_loss(logits, mask, torch.ones(1, 2)).item() == pytest.approx(expected, rel=1e-5)
