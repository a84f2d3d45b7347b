"""The frame-scoring transformer with any number of layers, and positions of any length."""

import pytest
import torch
from torch import nn

from clipit_lightning.models.attention import sinusoidal_positions
from clipit_lightning.models.transformer import FrameScoringTransformer
from tests.models import reference


@pytest.mark.parametrize(("encoder_layers", "decoder_layers"), [(0, 0), (2, 0), (0, 1), (1, 1), (2, 3)])
def test_it_is_the_transformer_of_the_paper(encoder_layers, decoder_layers):
    torch.manual_seed(0)
    transformer = FrameScoringTransformer(8, 2, encoder_layers, decoder_layers, dropout=0.4).eval().double()
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter.normal_(std=0.7)
    steps = torch.randn(9, 8, dtype=torch.float64)
    torch.testing.assert_close(transformer(steps), reference.transform(transformer, steps), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_layer_is_that_of_pytorch_with_the_norms_first(activation):
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(8, 2, 24, 0.0, activation, batch_first=True, norm_first=True)
    ours = FrameScoringTransformer(8, 2, 1, 0, dropout=0.0, feedforward=24, activation=activation)
    (layer,) = ours.encoder
    attention, others = layer.self_attention, theirs.self_attn
    for part, weight, bias in zip(
        (attention.query, attention.key, attention.value),
        others.in_proj_weight.chunk(3),
        others.in_proj_bias.chunk(3),
        strict=True,
    ):
        part.load_state_dict({"weight": weight, "bias": bias})
    pairs = [(attention.merge, others.out_proj)]
    pairs += zip(
        (layer.self_norm, *layer.feedforward[:2], layer.feedforward[3]),
        (theirs.norm1, theirs.norm2, theirs.linear1, theirs.linear2),
        strict=True,
    )
    for one, other in pairs:
        one.load_state_dict(other.state_dict())
    steps = torch.randn(1, 9, 8)
    placed = steps + sinusoidal_positions(9, 8)
    torch.testing.assert_close(ours(steps), ours.encoder_norm(theirs(placed)), rtol=1e-5, atol=1e-5)


def test_positions_differ_and_do_not_depend_on_the_length():
    short, long = sinusoidal_positions(50, 7), sinusoidal_positions(20_000, 7)
    assert long.shape == (20_000, 7)
    assert torch.equal(long[:50], short)
    assert torch.cdist(short, short).fill_diagonal_(1.0).min() > 0.1
