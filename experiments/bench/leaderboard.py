"""The leaderboard of many results against reading their JSON, which no leaderboard can do without."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from clipit_lightning.studies.leaderboard import find_results, make_board
from experiments.bench.runner import REPOSITORY, Options, Table

RESULTS = 1000


def tables(options: Options) -> Iterator[Table]:
    """Committed results, copied under other seeds."""
    kept = [json.loads(path.read_text()) for path in sorted((REPOSITORY / "experiments/results").glob("*.json"))]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(RESULTS):
            result = kept[number % len(kept)]
            copy = result | {"seed": result["seed"] + 10 * (number // len(kept))}
            (folder / f"{number}.json").write_text(json.dumps(copy))
        yield Table(
            f"leaderboard of {RESULTS} results",
            {
                "json.loads": lambda: len([json.loads(path.read_bytes()) for path in folder.glob("*.json")]),
                "find_results": lambda: len(find_results([folder])),
                "make_board": lambda: make_board([folder])["seeds"].sum(),
            },
            tolerance=0,
        )
