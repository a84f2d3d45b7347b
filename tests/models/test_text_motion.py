"""Text and motion: sizes, what is not there, and a designed task in which the contrast finds the text of a motion."""

import numpy as np
import pytest
import torch

from clipit_lightning.models import make_scorer
from clipit_lightning.models.contrast import joined_pairs
from clipit_lightning.models.losses import SummaryLoss
from tests.support.batches import FEATURES, STREAMS, timed_stack

VIDEOS, TOKENS, HELD, TEXT = 16, 8, 4, 12
PARTS = {"visual": 6, "motion": 9}


@pytest.mark.parametrize(
    ("streams", "parameters"), [({"visual": 384, "motion": 32}, 76_673), ({"visual": 384}, 70_337)]
)
def test_the_default_has_the_stated_sizes(streams, parameters):
    scorer = make_scorer("text-motion", feature_dim=sum(streams.values()), text_dim=384, streams=streams)
    assert sum(parameter.numel() for parameter in scorer.parameters()) == parameters
    assert scorer.contrasts == ("motion" in streams)


def test_motion_that_is_missing_counts_nowhere():
    scorer = make_scorer("text-motion", feature_dim=FEATURES, text_dim=3, streams=STREAMS, width=8, heads=2).eval()
    (features, text, _), spans = timed_stack(((6,), (2,)), 3), torch.tensor([[0.0, 2.0], [2.0, 6.0]])
    features[:, -1] = 1
    features[:3, -2:] = 0
    features[3:, -2] = torch.tensor([0.5, 3.0, -1.0])
    pairs = scorer(features, text, spans).pairs  # (tokens, 2, width)
    assert not pairs[0, 0].any()
    torch.testing.assert_close(scorer(features[3:], text, spans - 3).pairs[1], pairs[1])
    torch.testing.assert_close(pairs[1].norm(dim=-1), torch.ones(2))
    features[:, -2:] = 0
    assert not scorer(features, text, spans).pairs[:, 0].any()


def designed(seed, shuffled=False):
    """Videos whose captions mostly tell how it moves meanwhile; steps matter where they do. Tensors of a stack."""
    codes, rng = np.random.default_rng(0), np.random.default_rng(seed)
    to_motion, to_text = codes.normal(size=(4, 8)), codes.normal(size=(4, TEXT))
    acts = rng.normal(size=(VIDEOS, TOKENS, 4))
    fits = rng.random((VIDEOS, TOKENS)) < 0.75
    told = np.where(fits[..., None], acts, rng.normal(size=acts.shape))
    text = told @ to_text + 0.3 * rng.normal(size=(VIDEOS, TOKENS, TEXT))
    if shuffled:
        text = rng.permutation(text.reshape(-1, TEXT)).reshape(text.shape)
    motion = np.repeat(acts @ to_motion, HELD, axis=1)
    motion += 0.5 * rng.normal(size=motion.shape)
    mask = np.ones((*motion.shape[:2], 1))
    features = np.concatenate([rng.normal(size=(*mask.shape[:2], 6)), motion, mask], axis=-1)
    spans = np.tile(HELD * np.arange(TOKENS)[:, None] + [0, HELD], (VIDEOS, 1, 1))
    keys = np.repeat(fits, HELD, axis=1)
    importance = (0.2 + 0.6 * keys + 0.1 * rng.normal(size=keys.shape)).clip(0, 1)
    return tuple(torch.tensor(array, dtype=torch.float32) for array in (features, text, spans, keys, importance, fits))


def found(weight, shuffled, seed):
    """Of held-out videos: share of motions that find their own among the texts of the video, and correlation."""
    train, test = (designed(2 * seed + part, shuffled) for part in (1, 2))
    scorer = make_scorer("text-motion", seed, PARTS, feature_dim=15, text_dim=TEXT, width=16, heads=2, dropout=0.1)
    loss = SummaryLoss(contrast=weight, diversity=0, reconstruction=0)
    optimizer = torch.optim.Adam(scorer.parameters(), 1e-2)
    torch.manual_seed(seed)
    for _ in range(15):
        for batch in torch.randperm(VIDEOS).split(4):
            features, text, spans, keys, importance, _ = (values[batch] for values in train)
            output = scorer(features, text, spans)
            terms = loss(output, features, text, keys, importance)
            if weight:
                terms = loss.with_contrast(terms, *joined_pairs(output.pairs, text))
            optimizer.zero_grad()
            terms["total"].backward()
            optimizer.step()
    features, text, spans, _, importance, fits = test
    with torch.no_grad():
        output = scorer.eval()(features, text, spans)
    likeness = output.pairs[:, :, 0] @ output.pairs[:, :, 1].mT  # (videos, tokens, tokens)
    own = likeness.argmax(-1) == torch.arange(TOKENS)  # (videos, tokens)
    rows = zip(output.logits, importance, strict=True)
    return float(own[fits > 0].float().mean()), float(np.mean([np.corrcoef(*row)[0, 1] for row in rows]))


@pytest.mark.slow
def test_with_the_contrast_motion_finds_its_text_and_not_without_it_or_with_texts_of_others():
    cases = {"contrast": (0.3, False), "none": (0.0, False), "shuffled text": (0.3, True)}
    reached = {name: np.array([found(*case, seed) for seed in range(3)]) for name, case in cases.items()}
    for name, rows in reached.items():
        right, correlation = (
            f"{mean:.2f} +- {error:.2f}" for mean, error in zip(rows.mean(0), rows.std(0), strict=True)
        )
        print(f"{name}: own text of {TOKENS} found {right}, correlation with importance {correlation}")
    with_contrast, without, shuffled = (reached[name][:, 0] for name in cases)
    assert with_contrast.min() > 0.5
    assert max(without.max(), shuffled.max()) < with_contrast.min() - 0.1
    assert shuffled.max() < 2 / TOKENS
    assert reached["shuffled text"][:, 1].mean() < reached["contrast"][:, 1].mean()
