"""The frame-scoring transformer against PyTorch's own layers, and positions of any length."""

import pytest
import torch
from torch import Tensor, nn

from clipit_lightning.models.attention import MultiHeadAttention, sinusoidal_positions
from clipit_lightning.models.transformer import FrameScoringTransformer, TransformerLayer

WIDTH, HEADS, LENGTHS = 8, 2, (9, 4)
LAYERS = [(0, 0), (2, 0), (0, 1), (1, 1), (2, 3)]


def make_transformer(encoder_layers: int, decoder_layers: int) -> FrameScoringTransformer:
    """Weights large enough for attention that differs from a mean, and norms that do something."""
    torch.manual_seed(0)
    transformer = FrameScoringTransformer(WIDTH, HEADS, encoder_layers, decoder_layers, dropout=0.4).eval()
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter.normal_(std=0.7)
    return transformer


def make_steps() -> tuple[Tensor, Tensor]:
    """Two videos, the second of 4 steps, with numbers behind them that must not matter."""
    steps = torch.randn(2, LENGTHS[0], WIDTH, generator=torch.Generator().manual_seed(1))
    step_mask = torch.arange(LENGTHS[0]) < torch.tensor(LENGTHS).unsqueeze(1)
    return steps.masked_fill(~step_mask.unsqueeze(2), 1e3), step_mask


def copy_attention(theirs: nn.Module | Tensor, ours: MultiHeadAttention) -> None:
    assert isinstance(theirs, nn.MultiheadAttention)
    joined = [ours.query, ours.key, ours.value]
    theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in joined]))
    theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in joined]))
    theirs.out_proj.load_state_dict(ours.merge.state_dict())


@torch.no_grad()
def textbook(ours: nn.Module) -> nn.TransformerEncoderLayer | nn.TransformerDecoderLayer:
    """PyTorch's layer with the weights of ours."""
    assert isinstance(ours, TransformerLayer)
    make = nn.TransformerEncoderLayer if ours.memory_attention is None else nn.TransformerDecoderLayer
    layer = make(WIDTH, HEADS, 2 * WIDTH, activation="gelu", batch_first=True, norm_first=True).eval()
    copy_attention(layer.self_attn, ours.self_attention)
    norms = [ours.self_norm, *([ours.memory_norm] if ours.memory_norm is not None else []), ours.feedforward[0]]
    for number, norm in enumerate(norms):
        getattr(layer, f"norm{number + 1}").load_state_dict(norm.state_dict())
    layer.linear1.load_state_dict(ours.feedforward[1].state_dict())
    layer.linear2.load_state_dict(ours.feedforward[3].state_dict())
    if ours.memory_attention is not None:
        copy_attention(layer.multihead_attn, ours.memory_attention)
    return layer


@pytest.mark.parametrize(("encoder_layers", "decoder_layers"), LAYERS)
def test_it_is_the_transformer_of_the_textbook(encoder_layers: int, decoder_layers: int) -> None:
    transformer = make_transformer(encoder_layers, decoder_layers)
    steps, step_mask = make_steps()
    placed = steps + sinusoidal_positions(LENGTHS[0], WIDTH)
    memory = placed
    for layer in transformer.encoder:
        memory = textbook(layer)(memory, src_key_padding_mask=~step_mask)
    expected = memory = transformer.encoder_norm(memory)
    if decoder_layers:
        expected = placed
        masks = {"tgt_key_padding_mask": ~step_mask, "memory_key_padding_mask": ~step_mask}
        for layer in transformer.decoder:
            expected = textbook(layer)(expected, memory, **masks)
        expected = transformer.decoder_norm(expected)
    found = transformer(steps, step_mask)
    torch.testing.assert_close(found[step_mask], expected[step_mask], rtol=1e-4, atol=1e-5)


def test_positions_differ_and_do_not_depend_on_the_length() -> None:
    short, long = sinusoidal_positions(50, 7), sinusoidal_positions(20_000, 7)
    assert long.shape == (20_000, 7)
    assert torch.equal(long[:50], short)
    assert torch.cdist(short, short).fill_diagonal_(1.0).min() > 0.1
