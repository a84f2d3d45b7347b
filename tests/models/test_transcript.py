"""Sizes of the transcript's scorer, and which step hears which sentence."""

import torch

from clipit_lightning.core.config_files import load_config
from clipit_lightning.models import make_scorer
from clipit_lightning.models.transcript import alignment
from tests.support.batches import FEATURES, timed_stack


def test_the_overlay_has_the_stated_size():
    model = load_config(["transcript"]).model
    options = {name: getattr(model, name) for name in ("width", "heads", "encoder_layers", "feedforward", "dropout")}
    scorer = make_scorer("transcript", feature_dim=384, text_dim=384, **options)
    assert sum(parameter.numel() for parameter in scorer.parameters()) == 528_385


def test_a_step_and_a_sentence_look_at_each_other_where_they_share_time():
    told = torch.tensor([[True, False], [True, True], [False, False]])
    expected = [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 1, 1], [0, 1, 0, 1, 1]]
    assert alignment(told).int().tolist() == [expected]
    assert alignment(told.expand(4, 3, 2)).shape == (4, 1, 5, 5)


def test_a_sentence_reaches_its_own_steps_in_the_first_layer_and_all_in_the_second():
    features, text, spans = timed_stack(((12,), (3,)))
    spans = torch.tensor([[0.0, 2.0], [3.5, 6.0], [40.0, 50.0]])
    changed = text.clone()
    changed[1] *= -1
    for layers, moved in ((1, {3, 4, 5}), (2, set(range(12)))):
        scorer = make_scorer("transcript", feature_dim=FEATURES, text_dim=FEATURES, width=8, encoder_layers=layers)
        with torch.no_grad():
            for weights in scorer.parameters():
                weights.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
        before, after = (scorer.eval()(features, tokens, spans).logits for tokens in (text, changed))
        assert set(torch.nonzero(before != after)[:, 0].tolist()) == moved


def test_text_whose_time_is_not_known_holds_for_the_whole_video():
    features, text, spans = timed_stack(((2, 12), (2, 3)))
    scorer = make_scorer("transcript", feature_dim=FEATURES, text_dim=FEATURES, width=8).eval()
    whole = torch.tensor([[0.0, 12.0]]).expand(2, 3, 2)
    expected = scorer(features, text, whole).logits
    assert torch.equal(scorer(features, text, spans[:, :0]).logits, expected)
    assert not torch.equal(scorer(features, text, spans).logits, expected)
