"""Sizes and first weights of SD-VSum as its public code has them, and what of a video reaches a score."""

import pytest
import torch

from clipit_lightning.core.config_files import load_config
from clipit_lightning.models import make_scorer
from clipit_lightning.models.sd_vsum import script_positions
from clipit_lightning.training.build import task


@pytest.fixture(scope="module")
def of_the_code():
    return task(load_config(["s-videoxum", "sd-vsum"]), 512, 512).scorer


def test_the_overlay_has_the_sizes_of_the_public_code(of_the_code):
    """Those of its linear maps and of `nn.Transformer(512)`, counted on a module of PyTorch's own."""
    attention = 8 * 3 * 512 * 64 + 512 * 512
    transformer = sum(parameter.numel() for parameter in torch.nn.Transformer(512, batch_first=True).parameters())
    assert sum(parameter.numel() for parameter in of_the_code.parameters()) == attention + transformer + 1024 + 513
    assert attention + transformer + 1024 + 513 == 45_190_657
    layer = of_the_code.decoder.layers[0]
    assert (layer.dropout.p, layer.self_attn.num_heads, layer.linear1.out_features) == (0.1, 8, 2048)
    assert layer.activation(torch.tensor(-1.0)) == 0
    assert of_the_code.language.heads == 8


def test_first_weights_are_xavier_with_the_gain_of_relu(of_the_code):
    """Bounds of uniform draws: a head of the cross-attention is a matrix of its own, (64, 512)."""
    for weight, ends in ((of_the_code.language.key.weight, 64 + 512), (of_the_code.language.merge.weight, 1024)):
        bound = 2**0.5 * (6 / ends) ** 0.5
        assert 0.999 * bound < weight.abs().max() <= bound
    biases = [values for name, values in of_the_code.named_parameters() if "bias" in name]
    assert len(biases) == 94  # of 6 + 6 layers, three norms more and the head
    assert all((values == torch.tensor(0.1)).all() for values in biases)


def test_positions_are_those_of_the_public_code():
    """Sine and cosine in turn; the exponent of pair i is i over the width."""
    angles = [[7.0, 7.0, 0.7, 0.7], [3.0, 3.0, 0.3, 0.3]]
    waves = [[torch.tensor(a).cos() if k % 2 else torch.tensor(a).sin() for k, a in enumerate(row)] for row in angles]
    torch.testing.assert_close(script_positions(8, 4)[[7, 3]], torch.tensor(waves))
    assert script_positions(3, 5).shape == (3, 5)


def test_frames_reach_a_score_only_by_what_they_find_in_the_text():
    scorer = make_scorer("sd-vsum", feature_dim=6, text_dim=3).eval()
    one, other = torch.randn(2, 9, 6, generator=torch.Generator().manual_seed(0))
    nothing, sentence = torch.zeros(0, 3), torch.ones(1, 3)
    assert torch.equal(scorer(one, nothing).logits, scorer(other, nothing).logits)
    torch.testing.assert_close(scorer(one, sentence).logits, scorer(other, sentence).logits)  # one sentence: no choice
    sentences = torch.eye(3)
    assert (scorer(one, sentences).logits - scorer(other, sentences).logits).abs().max() > 1e-3


@pytest.mark.parametrize("layers", [(0, 1), (1, 0), (0, 0)])
def test_layers_may_be_left_out(layers):
    encoder, decoder = layers
    scorer = make_scorer("sd-vsum", feature_dim=6, text_dim=6, encoder_layers=encoder, decoder_layers=decoder)
    assert scorer(torch.ones(7, 6), torch.ones(2, 6)).logits.shape == (7,)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match=r"width \(64\) must be a multiple of language_heads \(5\)"):
        make_scorer("sd-vsum", feature_dim=6, text_dim=6, language_heads=5)
