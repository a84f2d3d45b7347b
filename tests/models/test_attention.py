"""Attention over real keys, and positions of any length."""

import torch

from clipit_lightning.models.attention import MultiHeadAttention, sinusoidal_positions


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


def test_positions_differ_and_do_not_depend_on_the_length() -> None:
    short, long = sinusoidal_positions(50, 7), sinusoidal_positions(20_000, 7)
    assert long.shape == (20_000, 7)
    assert torch.equal(long[:50], short)
    assert torch.cdist(short, short).fill_diagonal_(1.0).min() > 0.1
