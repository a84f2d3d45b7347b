"""MF2Summ: its sizes, which stream it reads from where, and what it refuses."""

import torch

from clipit_lightning.models import make_scorer
from clipit_lightning.models.mf2summ import alignment

TEXT = torch.zeros(0, 3)


def make(streams):
    return make_scorer("mf2summ", feature_dim=sum(streams.values()), text_dim=3, streams=streams, width=8, heads=2)


def test_the_network_has_the_stated_sizes():
    streams = {"visual": 384, "audio": 64}
    scorer = make_scorer("mf2summ", feature_dim=448, text_dim=3, streams=streams)
    assert sum(parameter.numel() for parameter in scorer.parameters()) == 1_409_412


def test_both_streams_are_read_wherever_they_stand_and_no_other():
    features = torch.randn(12, 10, generator=torch.Generator().manual_seed(0))
    visual, motion, audio = features.split([4, 3, 3], dim=1)
    scorer = make({"visual": 4, "motion": 3, "audio": 3}).eval()
    logits = scorer(features, TEXT).logits
    moved = make({"audio": 3, "motion": 3, "visual": 4}).eval()  # of the same seed, so of the same weights
    torch.testing.assert_close(moved(torch.cat([audio, motion, visual], 1), TEXT).logits, logits)
    for parts, matters in (
        ((visual.flip(0), motion, audio), True),
        ((visual, motion.flip(0), audio), False),
        ((visual, motion, audio.flip(0)), True),
    ):
        assert torch.equal(scorer(torch.cat(parts, 1), TEXT).logits, logits) != matters


def test_a_step_sees_all_of_its_stream_and_its_own_time_of_the_other():
    seen = alignment(3, torch.zeros(1)) == 0  # (2 * steps, 2 * steps)
    rows = [[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0], [1, 1, 1, 0, 0, 1]]
    rows += [[1, 0, 0, 1, 1, 1], [0, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]]
    assert seen.int().tolist() == rows


def test_where_no_stream_is_named_audio_no_video_has_sound():
    features = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    deaf, silent = make({"visual": 4}).eval(), make({"visual": 4, "audio": 1}).eval()  # of the same weights
    without_sound = torch.cat([features, torch.zeros(12, 1)], 1)
    torch.testing.assert_close(deaf(features, TEXT).logits, silent(without_sound, TEXT).logits)
