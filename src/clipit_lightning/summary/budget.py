"""How long a summary of a raw video may be: a share of it, or seconds."""

import math
import re
from dataclasses import dataclass

from clipit_lightning.core.errors import ArgumentError

_FORMS = "write a share such as 0.15 or 15%, or a time such as 30s or 1m30s"


@dataclass(frozen=True)
class Budget:
    """Largest length of a summary: a share of the video, or seconds."""

    share: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.seconds:g} s" if self.seconds is not None else f"{100 * (self.share or 0):.4g} % of the video"


DEFAULT_BUDGET = Budget(share=0.15)
"""The field's."""


def parse_budget(text: Budget | str | float) -> Budget:
    """Read ``0.15``, ``15%``, ``30s``, ``2m``, ``1m30s``, ``1h``: above 0, and no more than the whole video.

    Raises:
        ArgumentError: It is no budget.
    """
    if isinstance(text, Budget):
        return text
    words = str(text).strip().lower()
    if match := re.fullmatch(r"(\d*\.?\d+)(%?)", words):
        share = float(match[1]) / (100 if match[2] else 1)
        if not 0 < share <= 1:
            raise ArgumentError("budget", f"{text} is not between nothing and the whole video; {_FORMS}")
        return Budget(share=share)
    time = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d*\.?\d+)s)?", words)
    units = zip(time.groups(), (3600, 60, 1), strict=True) if time else ()
    seconds = sum(float(count or 0) * unit for count, unit in units)
    if not 0 < seconds < math.inf:
        raise ArgumentError("budget", f"{text!r} is no length of a summary; {_FORMS}")
    return Budget(seconds=seconds)
