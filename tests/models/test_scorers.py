"""What holds for every scorer in the registry, and how a class of one's own is found."""

from inspect import signature

import pytest
import torch

from clipit_lightning.models import SCORERS, scorer_class
from clipit_lightning.models.scorer import Scorer
from tests.support.batches import FEATURES, check_items_may_share_a_video, check_padding_has_no_influence, make_batch

SMALL = {"width": 8, "heads": 2, "linear_path": True}


@pytest.fixture(params=[FEATURES, 3], ids=["text as wide as features", "text of another width"])
def text_dim(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.fixture(params=SCORERS)
def scorer(request: pytest.FixtureRequest, text_dim: int) -> Scorer:
    """Weights large enough for attention that differs from a mean."""
    torch.manual_seed(0)
    made = scorer_class(request.param)
    options = {name: value for name, value in SMALL.items() if name in signature(made).parameters}
    scorer = made(FEATURES, text_dim, **options).eval()
    with torch.no_grad():
        for weights in (*scorer.parameters(), *scorer.buffers()):
            weights.normal_(std=0.5)
    return scorer


def test_padding_has_no_influence(scorer: Scorer, text_dim: int) -> None:
    check_padding_has_no_influence(scorer, tokens=2, text_dim=text_dim)


def test_items_may_share_a_video(scorer: Scorer, text_dim: int) -> None:
    check_items_may_share_a_video(scorer, tokens=2, text_dim=text_dim)


@pytest.mark.parametrize("tokens", [0, 3])
def test_every_parameter_learns(scorer: Scorer, text_dim: int, tokens: int) -> None:
    """Without text those of language have gradients of 0: a process of several waits for each."""
    output = scorer(*make_batch([16, 7], tokens=tokens, text_dim=text_dim))
    if any(True for _ in scorer.parameters()):
        sum(values.square().sum() for values in output if values is not None).backward()
    for name, parameter in scorer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        of_language = name.startswith(("language.attention", "text_projection"))
        constant = name.endswith("key.bias")  # the same is added to all energies of a query: a softmax drops it
        assert parameter.grad.any() or constant or (of_language and not tokens), name


def test_text_matters_to_a_scorer_that_reads_language(scorer: Scorer, text_dim: int) -> None:
    features, step_mask, text, text_mask = make_batch([12], tokens=3, text_dim=text_dim)
    logits = scorer(features, step_mask, text, text_mask).logits
    difference = (scorer(features, step_mask, -text, text_mask).logits - logits).abs().max()
    assert difference > 1e-2 if scorer.reads_language else difference == 0
    turned = scorer(features, step_mask, text.flip(1), text_mask).logits
    torch.testing.assert_close(turned, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("clip", r"no scorer 'clip'; there are clip-it\+, clip-it, .*, random, or your own as package\.module:Class"),
        ("../a:B", r"no scorer '../a:B'; there are"),
        ("no_such_module:A", r"no_such_module:A: cannot import no_such_module \(No module named 'no_such_module'\)"),
        ("broken:A", r"broken:A: cannot import broken \(name 'nothing' is not defined\)"),
        ("torch:nothing", "torch:nothing: torch has no class nothing"),
        ("torch.nn:Linear", r"torch\.nn:Linear: not a scorer; derive it from clipit_lightning\.models\.scorer\.Scorer"),
    ],
)
def test_a_class_that_is_not_there_is_one_line(name, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("nothing\n")
    with pytest.raises(ValueError, match=problem) as error:
        scorer_class(name)
    assert "\n" not in str(error.value)
