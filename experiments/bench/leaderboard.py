"""The leaderboard of many results against reading their JSON, which no leaderboard can do without."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from clipit_lightning.studies.kept import KEPT
from clipit_lightning.studies.leaderboard import find_runs, make_board
from experiments.bench.runner import Options, Table

RESULTS = 1000


def tables(options: Options) -> Iterator[Table]:
    """Kept results, as folders of runs under other seeds."""
    kept = [result.content() for _, result in find_runs([KEPT])]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(RESULTS):
            result = kept[number % len(kept)]
            copy = result | {"seed": result["seed"] + 10 * (number // len(kept))}
            (folder / str(number)).mkdir()
            (folder / str(number) / "result.json").write_text(json.dumps(copy))
        yield Table(
            f"leaderboard of {RESULTS} results",
            {
                "json.loads": lambda: len([json.loads(path.read_bytes()) for path in folder.glob("*/result.json")]),
                "find_runs": lambda: len(find_runs([folder])),
                "make_board": lambda: make_board([folder])["seeds"].sum(),
            },
            tolerance=0,
        )
