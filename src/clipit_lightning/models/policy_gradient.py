"""Policy gradient: summaries are drawn by the scores, and learn from rewards that read no annotation.

Rewards and estimator are those of DR-DSN (Zhou, Qiao, Xiang, AAAI 2018), read in its public code
(github.com/KaiyangZhou/pytorch-vsumm-reinforce, `rewards.py` and `main.py`). Ours differ in two ways: features have
norm 1 in both rewards, so that the second does not depend on the encoder's scale; and what is subtracted from a reward
is the mean of the video's other episodes, where the public code keeps a moving average for each video. Windows of a
video have unlike rewards, and ranks and resumed runs would have to share that average.

A third reward, of what is told in a summary, follows the transcript-assisted highlights of Barbakos et al. (2025, arXiv
2505.23268; of it were read the abstract and the beginning of a review, themoonlight.io). There a language model for
extractive summaries (AREDSUM) says how salient a sentence is. It needs trained weights; ours takes the likeness of a
sentence to all that is told.

Work grows with the square of the steps, memory linearly, as in ``likeness``.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from clipit_lightning.models.step_cues import likeness
from clipit_lightning.models.timed_text import told_in

REACH = 20
"""Steps further apart than this count as wholly different, as in the public code."""


def diversity_reward(chosen: Tensor, features: Tensor, reach: int = REACH) -> Tensor:
    """Mean dissimilarity, one minus the cosine, of two different chosen steps.

    Args:
        chosen: 1 where an episode takes a step, else 0, (episodes, ..., steps).
        features: Features of the steps, (..., steps, features).
        reach: Steps further apart than this count as wholly different, 1, whatever they show.

    Returns:
        0 to 2, (episodes, ...); 0 where fewer than two steps are chosen.
    """
    steps = normalize(features, dim=-1)  # (..., steps, features)
    index = torch.arange(steps.shape[-2], device=steps.device)  # (steps,)
    sums = []
    start = 0
    for alike in likeness(steps, steps, 1.0):  # (..., rows, steps)
        rows = index[start : start + alike.shape[-2]]  # (rows,)
        start += len(rows)
        apart = (rows.unsqueeze(1) - index).abs()  # (rows, steps)
        unlike = torch.where(apart > reach, 1.0, 1 - alike) * (apart > 0)  # (..., rows, steps)
        of_rows = torch.einsum("...rs,e...s->e...r", unlike, chosen.to(unlike))  # (episodes, ..., rows)
        sums.append((of_rows * chosen[..., rows]).sum(-1))
    count = chosen.sum(-1)  # (episodes, ...)
    return torch.stack(sums).sum(0) / (count * (count - 1)).clamp_min(1)


def representativeness_reward(chosen: Tensor, features: Tensor) -> Tensor:
    """How near the chosen steps are to every step: ``exp(-mean of the squared distance to the nearest chosen one)``.

    Args:
        chosen: 1 where an episode takes a step, else 0, (episodes, ..., steps).
        features: Features of the steps, (..., steps, features); distances are between unit vectors.

    Returns:
        exp(-4) to 1, (episodes, ...); exp(-4) where no step is chosen.
    """
    steps = normalize(features, dim=-1)  # (..., steps, features)
    taken = chosen > 0  # (episodes, ..., steps)
    nearest = []
    for alike in likeness(steps, steps, 1.0):  # (..., rows, steps)
        # One episode at a time: all would take that many times the memory.
        best = [alike.masked_fill(~episode.unsqueeze(-2), -1).amax(-1) for episode in taken]
        nearest.append(torch.stack(best))  # (episodes, ..., rows)
    distances = (2 - 2 * torch.cat(nearest, dim=-1)).clamp_min(0)  # (episodes, ..., steps)
    return torch.exp(-distances.mean(-1))


def summary_reward(chosen: Tensor, features: Tensor, reach: int = REACH) -> Tensor:
    """Mean of both rewards, (episodes, ...); 0 where no step is chosen. Arguments are those of `diversity_reward`."""
    together = diversity_reward(chosen, features, reach) + representativeness_reward(chosen, features)
    return 0.5 * together * (chosen.sum(-1) > 0)


def step_saliency(text: Tensor, spans: Tensor, steps: int) -> Tensor:
    """How salient is what is told in each step: the mean over its sentences of their cosine with the transcript's mean.

    Args:
        text: Features of the sentences, (..., tokens, features); the mean is that of their unit vectors.
        spans: First and end of each sentence in steps, (..., tokens, 2).
        steps: Number of steps.

    Returns:
        0 to 1, (..., steps); 0 where nothing is told, and for a sentence that points away from the mean.
    """
    tokens = normalize(text, dim=-1)  # (..., tokens, features)
    mean = normalize(tokens.mean(-2, keepdim=True), dim=-1)  # (..., 1, features)
    salient = (tokens * mean).sum(-1, keepdim=True).clamp_min(0)  # (..., tokens, 1)
    told = told_in(spans, steps).to(text)  # (..., steps, tokens)
    return (told @ salient).squeeze(-1) / told.sum(-1).clamp_min(1)


def saliency_reward(chosen: Tensor, salient: Tensor) -> Tensor:
    """How much of what is more salient than the video's mean is in a summary, less what is less salient.

    The mean over the chosen steps would be as good for a single step, and drives all scores to 0.

    Args:
        chosen: 1 where an episode takes a step, else 0, (episodes, ..., steps).
        salient: What `step_saliency` gives, or any other value of the steps, (..., steps).

    Returns:
        -1 to 1, (episodes, ...): 1 for all steps above the mean and no others, 0 for none, for all, and where all are
        alike.
    """
    above = salient - salient.mean(-1, keepdim=True)  # (..., steps)
    return (chosen * above).sum(-1) / above.clamp_min(0).sum(-1).clamp_min(1e-6)


def policy_loss(logits: Tensor, features: Tensor, draws: Tensor, reach: int = REACH) -> Tensor:
    """Minus the mean reward of drawn summaries, with the gradient of REINFORCE (Williams 1992).

    Each episode takes each step with the probability of its score. The gradient's expectation is that of the expected
    reward over the number of steps, which the public code takes too: a long video weighs as much as a short one.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        features: Features of the steps, (..., steps, features).
        draws: Uniform numbers, 0 to 1; an episode takes a step whose score is above, (episodes, ..., steps).
        reach: As of `diversity_reward`.

    Returns:
        Mean over episodes and videos, ().

    Raises:
        ValueError: There are fewer than two episodes: a reward is compared with those of the others.
    """
    return _reinforce(logits, draws, lambda chosen: summary_reward(chosen, features, reach))


def saliency_loss(logits: Tensor, text: Tensor, spans: Tensor, draws: Tensor) -> Tensor:
    """Minus the mean `saliency_reward` of drawn summaries; else as ``policy_loss``.

    Gradients of rewards add up: with the draws of ``policy_loss`` both are REINFORCE on the weighted sum of rewards.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        text: Features of the sentences, (..., tokens, features).
        spans: When they are told, in steps, (..., tokens, 2), or (..., 0, 2) where it is not known: the loss is then 0.
        draws: As of ``policy_loss``.

    Returns:
        Mean over episodes and videos, ().
    """
    if spans.shape[-2] == 0:
        return 0.0 * logits.sum()
    with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):
        salient = step_saliency(text.float(), spans, logits.shape[-1])  # (..., steps)
    return _reinforce(logits, draws, lambda chosen: saliency_reward(chosen, salient))


def _reinforce(logits: Tensor, draws: Tensor, reward: Callable[[Tensor], Tensor]) -> Tensor:
    """Minus the mean reward of summaries, (episodes, ..., steps), with the gradient of their likelihood."""
    episodes = len(draws)
    if episodes < 2:
        raise ValueError(f"episodes ({episodes}) must be at least 2")
    with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):  # rewards differ by hundredths
        chosen = (draws < torch.sigmoid(logits.float())).float()  # (episodes, ..., steps)
        rewards = reward(chosen)  # (episodes, ...)
        others = (rewards.sum(0) - rewards) / (episodes - 1)  # (episodes, ...)
    wide = logits.expand_as(chosen)  # (episodes, ..., steps)
    likelihood = -binary_cross_entropy_with_logits(wide, chosen.to(wide), reduction="none").mean(-1)  # (episodes, ...)
    surrogate = -((rewards - others) * likelihood).mean()
    return surrogate - surrogate.detach() - rewards.mean()
