"""Run benchmarks: each compares variants in one run, and prints a table of seconds and ratios to the first of them."""

import argparse
import ast
import importlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run the benchmarks that are named, or all."""
    texts = {path.stem: path.read_text() for path in sorted(HERE.glob("*.py"))}
    abouts = {name: ast.get_docstring(ast.parse(text)) or "" for name, text in texts.items() if "\ndef tables" in text}
    parser = argparse.ArgumentParser("python -m experiments.bench", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="NAME", help="benchmarks, or key=value such as model.width=512")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of the stores (default: data)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are measured (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="threads of a process (default: 1)")
    parser.add_argument("--against", type=Path, help="another checkout, whose default run is timed in turn")
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    chosen = parser.parse_intermixed_args()  # words may stand on both sides of an option
    if chosen.list:
        print(*(f"{name:12} {about.splitlines()[0]}" for name, about in abouts.items()), sep="\n")
        return 0
    words = [word for word in chosen.words if "=" in word]
    names = [word for word in chosen.words if "=" not in word] or list(abouts)
    if unknown := set(names) - set(abouts):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(abouts)}")
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)  # before numpy and torch are loaded
    from clipit_lightning.core.errors import UserError
    from experiments.bench.runner import NotEqualError, Options, format_rows, run

    against = chosen.against and chosen.against.resolve()
    options = Options(chosen.root.resolve(), chosen.repeats, chosen.threads, against, words)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {chosen.threads} thread(s) a process")
    try:
        for name in names:
            for table in importlib.import_module(f"experiments.bench.{name}").tables(options):
                rows = run(table, options.repeats)
                print(format_rows(rows), flush=True)
                if chosen.csv:
                    rows.to_csv(chosen.csv, mode="a", header=not chosen.csv.exists(), index=False)
    except (NotEqualError, UserError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
