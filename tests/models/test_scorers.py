"""What holds for every scorer in the registry, and how a class of one's own is found."""

import copy
from inspect import signature

import pytest
import torch

from clipit_lightning.models import SCORERS, make_scorer, scorer_class
from clipit_lightning.models.scorer import ScorerOutput, output_of
from tests.models import reference
from tests.support.batches import BATCHES, FEATURES, STREAMS, alone, make_stack, timed_stack

SMALL = {
    "width": 8,
    "heads": 2,
    "dropout": 0.0,
    "input_dropout": 0.0,
    "windows": (3, 5),
    "global_heads": 2,
    "cnn_layers": 3,
}
EVERY = {
    "linear_path": True,
    "encoder_layers": 2,
    "language_heads": 4,
    "feedforward": 7,
    "activation": "relu",
    "feature_gain": 0.5,
    "transformer_gain": 0.7,
    "alike_gain": 2.0,
    "alike_window": 3,
    "score_window": 3,
    "peak_window": 3,
    "local_heads": 3,
    "cnn_layers": 2,
}
OTHER_TEXT = 3
TIMED = "tests.support.batches:TimedScorer"
"""Reads streams and spans."""


def reads_streams(scorer):
    """Whether its constructor names them."""
    return "streams" in signature(scorer).parameters


@pytest.fixture(params=[EVERY, {}], ids=["every option", "text of another width"])
def options(request):
    return SMALL | request.param


@pytest.fixture
def text_dim(options):
    return FEATURES if "linear_path" in options else OTHER_TEXT


@pytest.fixture(params=[*SCORERS, TIMED])
def name(request):
    return request.param


@pytest.fixture
def scorer(name, options, text_dim):
    """Weights large enough for attention that differs from a mean."""
    torch.manual_seed(0)
    made = scorer_class(name)
    known = signature(made).parameters
    given = {"streams": STREAMS} | options
    scorer = made(FEATURES, text_dim, **{option: value for option, value in given.items() if option in known})
    with torch.no_grad():
        for weights in (*scorer.parameters(), *scorer.buffers()):
            weights.normal_(std=0.5)
    return scorer


def inputs(scorer, shapes, text_dim):
    """Features, text and spans; no spans for a scorer that reads neither them nor streams."""
    if scorer.reads_spans or reads_streams(type(scorer)):
        return timed_stack(shapes, text_dim)
    features, text = make_stack(shapes, text_dim)
    return features, text, text.new_zeros(*text.shape[:-2], 0, 2)


def weighed(values):
    """A mean in which each value has a weight of its own, ()."""
    return (values.flatten() * torch.arange(values.numel()).cos()).mean()


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", reference.SCORERS)
def test_values_and_gradients_are_those_of_the_equations(scorer, name, text_dim, batch, train):
    """In 64-bit numbers: a cue that is constant but for rounding is told apart from 0 in 32."""
    scorer = scorer.double().train(train)
    copied = copy.deepcopy(scorer)
    loss = expected_loss = torch.zeros((), dtype=torch.float64)
    for shapes in BATCHES[batch]:
        stack = [values.double() for values in inputs(scorer, shapes, text_dim)]
        output, read = output_of(scorer, *stack), 3 if scorer.reads_spans else 2
        items = [ScorerOutput(*reference.SCORERS[name](copied, *item[:read])) for item in alone(*stack)]
        for values, expected in zip(output, zip(*items, strict=True), strict=True):
            if values is not None:
                pair = values.expand(len(items), *values.shape[-expected[0].dim() :]), torch.stack(expected)
                torch.testing.assert_close(*pair, rtol=1e-5, atol=1e-5)
                loss, expected_loss = loss + weighed(pair[0]), expected_loss + weighed(pair[1])
    if scorer.fit == "gradient":
        loss.backward()
        expected_loss.backward()
    for parameter, expected in zip(scorer.parameters(), copied.parameters(), strict=True):
        gradients = [torch.zeros_like(expected) if one.grad is None else one.grad for one in (parameter, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", BATCHES)
def test_items_of_a_stack_are_as_each_alone(scorer, text_dim, batch):
    scorer.eval()
    for shapes in BATCHES[batch]:
        stack = inputs(scorer, shapes, text_dim)
        expected = torch.stack([output_of(scorer, *item).logits for item in alone(*stack)])
        logits = output_of(scorer, *stack).logits.expand_as(expected)
        tolerance = 0 if scorer.fit == "none" else 1e-5
        torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tokens", [0, 3])
def test_every_parameter_learns(scorer, text_dim, tokens):
    """Without text those of language have gradients of 0: a process of several waits for each."""
    output = output_of(scorer, *inputs(scorer, ((16,), (tokens,)), text_dim))
    if scorer.fit == "gradient":
        sum(values.square().sum() for values in output if values is not None).backward()
    for name, parameter in scorer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        of_language = name.startswith(("language.", "text_projection", "segments")) and not name.startswith(
            "language.norm"
        )
        constant = name.endswith("key.bias")  # the same is added to all energies of a query: a softmax drops it
        assert parameter.grad.any() or constant or (of_language and not tokens), name


def test_text_matters_to_a_scorer_that_reads_language_and_its_order_to_none(scorer, text_dim):
    features, text, spans = inputs(scorer.eval(), ((12,), (3,)), text_dim)
    logits = output_of(scorer, features, text, spans).logits
    difference = (output_of(scorer, features, -text, spans).logits - logits).abs().max()
    assert difference > 1e-3 if scorer.reads_language else difference == 0
    turned = output_of(scorer, features, text.flip(0), spans.flip(0)).logits
    torch.testing.assert_close(turned, logits, rtol=1e-4, atol=1e-5)


def test_spans_matter_to_a_scorer_that_reads_them_and_may_lack(scorer, text_dim):
    features, text, spans = inputs(scorer.eval(), ((12,), (3,)), text_dim)
    whole = torch.tensor([[0.0, 12.0]]).expand(3, 2)
    logits = [output_of(scorer, features, text, times).logits for times in (spans, whole, spans[:0])]
    assert all(values.isfinite().all() for values in logits)
    assert torch.equal(logits[0], logits[1]) != scorer.reads_spans


@pytest.mark.parametrize("name", [name for name in (*SCORERS, TIMED) if reads_streams(scorer_class(name))])
def test_a_scorer_that_names_streams_reads_what_is_seen_and_scores_without_the_others(scorer, name, options, text_dim):
    features, text, spans = inputs(scorer.eval(), ((12,), (3,)), text_dim)
    logits = output_of(scorer, features, text, spans).logits
    seen, missing = features.clone(), features.clone()
    seen[:, 0] = seen[:, 0].flip(0)  # a scorer may standardise
    missing[:, 1:] = 0
    assert not torch.allclose(output_of(scorer, seen, text, spans).logits, logits, atol=1e-4)
    assert output_of(scorer, missing, text, spans).logits.isfinite().all()
    known = signature(type(scorer)).parameters
    given = {option: value for option, value in options.items() if option in known}
    visual = make_scorer(name, feature_dim=FEATURES, text_dim=text_dim, **given).eval()
    assert output_of(visual, features, text, spans).logits.isfinite().all()


def test_features_are_reconstructed_in_training_alone(scorer, name, text_dim):
    stack = inputs(scorer, ((2, 6), (2, 3)), text_dim)
    output = output_of(scorer.train(), *stack)
    assert (output.reconstruction is not None) == (name in ("clip-it+", "clip-it", "transformer"))
    assert output_of(scorer.eval(), *stack).reconstruction is None


def test_16_bits_give_finite_logits_and_gradients(scorer, text_dim):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = output_of(scorer, *inputs(scorer, ((2, 20), (2, 3)), text_dim))
    assert output.logits.isfinite().all()
    if scorer.fit == "gradient":
        output.logits.float().square().sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in scorer.parameters())


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("clip", r"no scorer 'clip'; there are clip-it\+, clip-it, .*, random, or your own as package\.module:Class"),
        ("../a:B", r"no scorer '../a:B'; there are"),
        ("no_such_module:A", r"no_such_module:A: cannot import no_such_module \(No module named 'no_such_module'\)"),
        ("broken:A", r"broken:A: cannot import broken \(name 'nothing' is not defined\)"),
        ("torch:nothing", "torch:nothing: torch has no class nothing"),
        ("torch.nn:Linear", r"torch\.nn:Linear: not a scorer; derive it from clipit_lightning\.models\.scorer\.Scorer"),
    ],
)
def test_a_class_that_is_not_there_is_one_line(target, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("nothing\n")
    with pytest.raises(ValueError, match=problem) as error:
        scorer_class(target)
    assert "\n" not in str(error.value)
