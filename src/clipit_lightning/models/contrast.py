"""A contrast between how a video moves and what is told meanwhile: within a batch, each finds the other."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def joined_pairs(pairs: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs of the items of a stack one behind the other, without those that have no motion.

    Args:
        pairs: Of each text token the unit vectors of the motion while it is told and of itself, (..., tokens, 2,
            width); 0 where nothing moves then that is known of.
        text: Features of the text tokens, (..., tokens, features).

    Returns:
        Pairs, (pairs, 2, width), and features of their texts, (pairs, features).
    """
    text = text.expand(*pairs.shape[:-2], text.shape[-1])  # (..., tokens, features)
    there = pairs[..., 0, :].any(-1)  # (..., tokens)
    return pairs[there], text[there]


def contrast_loss(pairs: Tensor, text: Tensor, alike: float, sharpness: float) -> Tensor:
    """InfoNCE (van den Oord et al., arXiv 1807.03748), both ways as in CLIP (arXiv 2103.00020), over pairs of a batch.

    With motion ``m_i`` and text ``t_i`` of pair i, and ``s_ij = sharpness * m_i @ t_j``, motion i is to find its text
    among all, ``softmax_j s_ij``, and text j its motion, ``softmax_i s_ij``. What fits i is j = i, and every j whose
    text has features of a cosine of at least `alike` with those of i: the loss is the mean over pairs, over what fits
    them and over both ways, of minus the logarithm of that share.

    So texts say which motions of a batch are alike, across videos. That is the idea of the text-motion contrast of
    Zhu, Wu, Lu (arXiv 2506.08649), of which the abstract was read; there it chooses, of the motions, a set that fits a
    motion and one that does not. The equation is ours.

    Args:
        pairs: Unit vectors of motion and of text, (pairs, 2, width).
        text: Features of the texts, (pairs, features).
        alike: Cosine from which on two texts fit each other's motion too.
        sharpness: What cosines are multiplied with: the inverse of the temperature.

    Returns:
        In nats, (): 0 of a single pair, and where there is none.
    """
    if not len(pairs):
        return pairs.sum()
    motion, told = pairs.unbind(1)  # (pairs, width) each
    energies = sharpness * motion @ told.mT  # (pairs, pairs)
    unit = normalize(text.to(energies), dim=-1)  # (pairs, features)
    fits = unit @ unit.mT >= alike  # (pairs, pairs)
    fits = (fits | fits.mT).fill_diagonal_(fill_value=True).to(energies)  # rounding may tell two sides apart
    wanted = fits / fits.sum(-1, keepdim=True)  # (pairs, pairs)
    return torch.stack([cross_entropy(energies, wanted), cross_entropy(energies.mT, wanted)]).mean()
