"""The tested versions are pinned for all machines, and with checksums for Linux without a GPU."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def pins(file, form):
    """Version of each package, by its name in PyPI's spelling; every line but comments has a form."""
    lines = [line for line in (REPOSITORY / file).read_text().splitlines() if not line.startswith("#")]
    matches = [re.fullmatch(rf"([\w.-]+)==([\w.]+){form}", line) for line in lines]
    assert None not in matches, [line for line, match in zip(lines, matches, strict=True) if not match]
    return {spelled(match[1]): match[2] for match in matches}


def spelled(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_file_with_checksums_has_all_that_is_needed_in_the_pinned_versions():
    hashed = pins("requirements-linux-cpu.txt", r"(?:\+cpu)? --hash=sha256:[0-9a-f]{64}")
    pinned = pins("constraints.txt", "")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["dev"], *extras["docs"], *extras["offline"], *extras["judge"]]
    assert {spelled(re.split(r"[\[<>=]", line)[0]) for line in needed} <= set(hashed), "run `make lock`"
    assert pinned | hashed == hashed | pinned, "run `make lock`"
