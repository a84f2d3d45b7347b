"""The sizes that PGL-SUM's paper has."""

from clipit_lightning.models.pglsum import PglSumScorer


def test_the_default_has_the_papers_sizes():
    scorer = PglSumScorer(1024, 512)
    assert scorer.overall.heads == 8
    assert scorer.overall.query.weight.shape == (1024, 1024)
    assert [attention.heads for attention in scorer.local] == [4] * 4
    assert [tuple(attention.query.weight.shape) for attention in scorer.local] == [(256, 1024)] * 4
