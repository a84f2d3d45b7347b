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
        UserError: There is no such file; the message names those that are shipped.
    """
    known, path = shipped_files(folders), Path(word)
    if word in known:
        return known[word]
    if path.suffix in (".yaml", ".yml") and (path.exists() or path.stem not in known):
        return path
    near = get_close_matches(path.stem, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise UserError(f"{word}: neither a file of your own (NAME.yaml) nor a shipped one; {hint}")
