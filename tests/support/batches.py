"""Batches of videos of several lengths, and what holds for every scorer whatever it computes."""

import copy

import torch
from torch import Tensor, nn

FEATURES = 5

Given = tuple[Tensor, Tensor, Tensor, Tensor]


def make_batch(lengths: list[int], seed: int = 0, garbage: float = 0.0, tokens: int = 0, text_dim: int = 3) -> Given:
    """Videos padded with garbage to the longest; a video depends on its length and the seed only."""
    features = torch.full((len(lengths), max(lengths), FEATURES), garbage)
    step_mask = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    text = torch.zeros(len(lengths), tokens, text_dim)
    for video, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(seed + length)
        features[video, :length] = torch.randn(length, FEATURES, generator=generator)
        text[video] = torch.randn(tokens, text_dim, generator=generator)
        step_mask[video, :length] = True
    return features, step_mask, text, torch.ones(text.shape[:2], dtype=torch.bool)


def check_padding_has_no_influence(scorer: nn.Module, **text: int) -> None:
    """A video has the scores and the gradients alone that it has in a batch, whatever stands in the padding there.

    So has its reconstruction, where there is one.
    """
    scorer = copy.deepcopy(scorer).eval()
    for length in (1, 3, 8, 13):
        outputs, gradients = [], []
        for lengths, video, garbage in (([length], 0, 0.0), ([length, 13], 0, 1e6), ([17, 2, length], 2, float("nan"))):
            scorer.zero_grad()
            output = scorer(*make_batch(lengths, garbage=garbage, **text))
            rows = [values[video] for values in output if values is not None]  # (steps,) and (steps, features)
            assert not any(row[length:].any() for row in rows)
            outputs.append([row[:length] for row in rows])
            if output.logits.requires_grad:
                weights = torch.arange(1.0, length + 1)  # (steps,)
                torch.stack([(row.movedim(0, -1) * weights).sum() for row in outputs[-1]]).sum().backward()
            gradients.append(
                [parameter.grad.clone() for parameter in scorer.parameters() if parameter.grad is not None]
            )
        for other, gradient in zip(outputs[1:], gradients[1:], strict=True):
            torch.testing.assert_close(other, outputs[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(gradient, gradients[0], rtol=1e-3, atol=1e-4)


def check_items_may_share_a_video(scorer: nn.Module, **text: int) -> None:
    """Features that several items share give what each item with features of its own gets."""
    scorer = copy.deepcopy(scorer).eval()
    features, step_mask, tokens, text_mask = make_batch([9], **text)
    texts = torch.cat([tokens, -tokens, 2 * tokens.flip(1)])
    rest = (step_mask.expand(3, -1), texts, text_mask.expand(3, -1))
    apart = scorer(features.repeat(3, 1, 1), *rest).logits
    shared = scorer(features, *rest).logits
    assert shared.shape == (3, 9)
    torch.testing.assert_close(shared, apart, rtol=1e-5, atol=1e-6)
