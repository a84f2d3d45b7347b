"""Where the files lie that come with the package: configurations, sweeps, grids, kept and published results."""

from difflib import get_close_matches
from pathlib import Path

from clipit_lightning.core.errors import UserError

_PACKAGE = Path(__file__).parents[1]
HOME = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parents[1]
"""The folder that holds ``configs`` and ``experiments``: inside an installed package, or the checkout."""
CONFIGS = ("configs", "configs/ablations")
"""Folders of configurations, below `HOME`."""
SWEEPS = ("experiments/sweeps",)
"""Folders of sweep files."""
GRIDS = ("experiments",)
"""Folders of grids."""


def shipped_files(folders: tuple[str, ...]) -> dict[str, Path]:
    """The YAML files of some of the folders above, by their stems, such as ``tvsum``."""
    return {path.stem: path for folder in folders for path in sorted((HOME / folder).glob("*.yaml"))}


def find_file(word: str, folders: tuple[str, ...]) -> Path:
    """The file that a word on the command line means: a path of the user's own, or the stem of a shipped file.

    Raises:
        UserError: No shipped file is called so; the message names those that there are.
    """
    if word.endswith((".yaml", ".yml")):
        return Path(word)
    known = shipped_files(folders)
    if word not in known:
        near = get_close_matches(word, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(
            f"{word}: no file of your own (NAME.yaml), and none that is shipped; {hint}There are {', '.join(known)}"
        )
    return known[word]
