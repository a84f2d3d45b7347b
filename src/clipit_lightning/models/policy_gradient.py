"""Policy gradient: summaries are drawn by the scores, and learn from rewards that read no annotation.

Rewards and estimator are those of DR-DSN (Zhou, Qiao, Xiang, AAAI 2018), read in its public code
(github.com/KaiyangZhou/pytorch-vsumm-reinforce, `rewards.py` and `main.py`). Ours differ in two ways: features have
norm 1 in both rewards, so that the second does not depend on the encoder's scale; and what is subtracted from a reward
is the mean of the video's other episodes, where the public code keeps a moving average for each video. Windows of a
video have unlike rewards, and ranks and resumed runs would have to share that average.

Work grows with the square of the steps, memory linearly, as in ``likeness``.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from clipit_lightning.models.step_cues import likeness

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
    episodes = len(draws)
    if episodes < 2:
        raise ValueError(f"episodes ({episodes}) must be at least 2")
    with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):  # rewards differ by hundredths
        chosen = (draws < torch.sigmoid(logits.float())).float()  # (episodes, ..., steps)
        rewards = summary_reward(chosen, features, reach)  # (episodes, ...)
        others = (rewards.sum(0) - rewards) / (episodes - 1)  # (episodes, ...)
    wide = logits.expand_as(chosen)  # (episodes, ..., steps)
    likelihood = -binary_cross_entropy_with_logits(wide, chosen.to(wide), reduction="none").mean(-1)  # (episodes, ...)
    surrogate = -((rewards - others) * likelihood).mean()
    return surrogate - surrogate.detach() - rewards.mean()
