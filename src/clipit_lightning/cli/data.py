"""`clipit data`: fetch, import, join, check, folds, mini."""

from pathlib import Path
from typing import Literal

import typer

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import show

ROOT = typer.Option(Path("data"), help="Folder of the stores.")

app = typer.Typer(help="Import distributed files, check stores.")


@app.command()
def fetch(
    names: list[str] | None = typer.Argument(None, help="Which sources; without a name, list them."),
    to: Path = typer.Option(Path("downloads"), help="Folder of the downloads."),
) -> None:
    """Download what has a stable public address; say where the rest is distributed."""
    from clipit_lightning.data import find_source, sources
    from clipit_lightning.data.download import fetch

    if not names:
        listed = [(known, "fetched" if known.files else "by hand") for known in sources().values()]
        _print_table(
            [{"name": known.name, "what": known.title, "licence": known.licence, "how": how} for known, how in listed]
        )
    for name in names or ():
        find_source(name)  # a wrong name is an error before anything is downloaded
    for name in names or ():
        for path in fetch(name, to):
            show(f"{name}: {path}; next: clipit data import {to}")


@app.command("import")
def import_files(
    sources: list[Path] = typer.Argument(..., metavar="SRC...", help="Files, or folders searched to any depth."),
    to: Path = ROOT,
    features: str | None = typer.Option(None, help="Which features, where a benchmark has several files."),
    force: bool = typer.Option(False, "--force", help="Replace stores that hold other features."),
) -> None:
    """Find the benchmarks' distributed files and join them into stores, TVSum and SumMe with their official shots."""
    from clipit_lightning.core.locks import run_lock
    from clipit_lightning.data.importing import import_distributed
    from clipit_lightning.video.minilm import text_embedder

    with run_lock(to.resolve(), way_out="give another folder with --to"):
        rows = import_distributed(sources, to, features, force, text_embedder())
    _print_table([vars(row) for row in rows])


@app.command()
def join(
    stores: list[Path] = typer.Argument(..., metavar="STORE...", help="Files, or folders of shards; they stay."),
    to: Path = typer.Option(..., help="The store that they become, such as data/mine.h5: a folder of shards."),
    force: bool = typer.Option(False, "--force", help="Replace a store that lies there."),
) -> None:
    """Join stores made on several machines, as by `clipit prepare --part`, into one, and check it."""
    from clipit_lightning.core.locks import run_lock
    from clipit_lightning.data.joining import join_stores

    with run_lock(to, way_out="give another file with --to"):
        index = join_stores(stores, to, force)
    show(f"{to}: {len(index.videos)} videos in {len(index.shards)} shards, valid")


@app.command()
def check(root: Path = ROOT) -> None:
    """Say in plain words what is wrong with the stores."""
    from clipit_lightning.data.store import Store

    paths = sorted(root.glob("*.h5"))
    if not paths:
        raise UserError(f"{root}: no stores here; make them with `clipit data import FOLDER --to {root}`")
    invalid = 0
    for path in paths:
        problems = Store(path).check()
        invalid += bool(problems)
        show(f"{path}: {f'{len(problems)} problems' if problems else 'valid'}")
        for line in problems or [f"note: {note}" for note in Store(path).notes()]:
            show(f"  {line}")
    if invalid:
        raise UserError(f"{invalid} of {len(paths)} stores under {root} have problems; import or copy them again")


@app.command()
def folds(
    file: Path = typer.Argument(..., help="JSON, YAML or txt in a published layout or a simple one."),
    dataset: str = typer.Option(..., help="The benchmark whose videos it names."),
    setting: Literal["canonical", "augmented", "transfer"] | None = typer.Option(None, help="Refuse folds of another."),
    root: Path = typer.Option(Path("data"), help="Folder of the stores, for names."),
    name: str | None = typer.Option(None, help="Name of the family."),
    to: Path | None = typer.Option(None, help="Write them as JSON, for data.family=FILE."),
) -> None:
    """Read a file of folds, say what it holds, convert it."""
    from clipit_lightning.data import benchmark_names
    from clipit_lightning.data.fold_files import convert_fold_file
    from clipit_lightning.data.store import Store

    if dataset not in (known := benchmark_names("annotated", targets=True)):
        raise UserError(f"--dataset: {dataset} is unknown; there are {', '.join(known)}")
    store = Store(root / f"{dataset}.h5")
    names = store.names() if store.path.exists() else {}
    show(convert_fold_file(file, dataset, setting, name, names, to))


@app.command()
def mini(to: Path = typer.Option(Path("data/mini"), help="Folder of the stores.")) -> None:
    """Make the miniature benchmarks."""
    from clipit_lightning.data.mini import ensure_mini

    show(f"miniature benchmarks under {ensure_mini(to)}: synthetic, seeded, labelled data=mini")


def _print_table(rows: list[dict[str, str]]) -> None:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in rows[0]}, *rows]:
        show("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())
