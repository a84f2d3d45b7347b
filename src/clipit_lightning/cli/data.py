"""`clipit data`: fetch, import, check, folds, mini."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_data(commands: Commands) -> None:
    """Add `clipit data` and what stands below it."""
    data = commands.add_parser("data", help="import distributed files, check stores").add_subparsers(
        required=True, metavar="COMMAND"
    )
    fetch = data.add_parser(
        "fetch", help="download what has a stable public address; say where the rest is distributed"
    )
    fetch.add_argument("names", nargs="*", metavar="NAME", help="which sources; without a name, list them")
    fetch.add_argument(
        "--to", type=Path, default=Path("downloads"), help="folder of the downloads (default: downloads)"
    )
    fetch.set_defaults(function=_fetch)
    imports = data.add_parser("import", help="find the benchmarks' distributed files and join them into stores")
    imports.add_argument("sources", nargs="+", metavar="SRC", type=Path, help="files, or folders searched to any depth")
    imports.add_argument("--to", type=Path, default=Path("data"), help="folder of the stores (default: data)")
    imports.add_argument("--features", help="which features, where a benchmark has several files")
    imports.add_argument("--force", action="store_true", help="replace stores that hold other features")
    imports.set_defaults(function=_import)
    check = data.add_parser("check", help="say in plain words what is wrong with the stores")
    check.add_argument("--root", type=Path, default=Path("data"), help="folder of the stores (default: data)")
    check.set_defaults(function=_check)
    folds = data.add_parser("folds", help="read a file of folds, say what it holds, convert it")
    folds.add_argument("file", type=Path, help="JSON, YAML or txt in a published layout or a simple one")
    folds.add_argument("--dataset", required=True, choices=("tvsum", "summe"))
    folds.add_argument(
        "--setting", choices=("canonical", "augmented", "transfer"), help="refuse folds of another setting"
    )
    folds.add_argument(
        "--root", type=Path, default=Path("data"), help="folder of the stores, for names (default: data)"
    )
    folds.add_argument("--name", help="name of the family")
    folds.add_argument("--to", type=Path, help="write them as JSON, for data.family=FILE")
    folds.set_defaults(function=_folds)
    mini = data.add_parser("mini", help="make the miniature benchmarks")
    mini.add_argument("--to", type=Path, default=Path("data/mini"), help="folder of the stores (default: data/mini)")
    mini.set_defaults(function=_mini)


def _fetch(options: argparse.Namespace) -> int:
    from clipit_lightning.core.log import print_log
    from clipit_lightning.data import find_source, sources
    from clipit_lightning.data.download import fetch

    if not options.names:
        rows = [
            {
                "name": each.name,
                "what": each.title,
                "licence": each.licence,
                "how": "fetched" if each.files else "by hand",
            }
            for each in sources().values()
        ]
        _print_table(rows)
        return 0
    for name in options.names:
        find_source(name)  # a wrong name is said before anything is downloaded
    print_log()
    for name in options.names:
        for path in fetch(name, options.to):
            print(f"{name}: {path}; next: clipit data import {options.to}")
    return 0


def _import(options: argparse.Namespace) -> int:
    from clipit_lightning.data.importing import import_distributed

    rows = import_distributed(options.sources, options.to, options.features, options.force)
    _print_table([vars(row) for row in rows])
    return 0


def _check(options: argparse.Namespace) -> int:
    from clipit_lightning.data.store import Store

    paths = sorted(options.root.glob("*.h5"))
    if not paths:
        raise UserError(
            f"{options.root}: no stores here; make them with `clipit data import FOLDER --to {options.root}`"
        )
    unsound = 0
    for path in paths:
        problems = Store(path).check()
        unsound += bool(problems)
        print(f"{path}: {'sound' if not problems else f'{len(problems)} problems'}")
        for problem in problems:
            print(f"  {problem}")
    if unsound:
        raise UserError(
            f"{unsound} of {len(paths)} stores under {options.root} have problems; import or copy them again"
        )
    return 0


def _folds(options: argparse.Namespace) -> int:
    from clipit_lightning.data.fold_files import convert_fold_file
    from clipit_lightning.data.store import Store

    store = Store(options.root / f"{options.dataset}.h5")
    names = {video.name: video.key for video in store.read() if video.name} if store.path.exists() else {}
    print(convert_fold_file(options.file, options.dataset, options.setting, options.name, names, options.to))
    return 0


def _mini(options: argparse.Namespace) -> int:
    from clipit_lightning.data.mini import ensure_mini

    print(f"miniature benchmarks under {ensure_mini(options.to)}: synthetic, seeded, labelled data=mini")
    return 0


def _print_table(rows: list[dict[str, str]]) -> None:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in rows[0]}, *rows]:
        print("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())
