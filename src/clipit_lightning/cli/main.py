"""The ``clipit`` command: a table of its subcommands, which import what is heavy only when they run."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from clipit_lightning import __version__
from clipit_lightning.cli import data, judge, keyframes, results, studies, video
from clipit_lightning.cli.train import KeyHelp, train
from clipit_lightning.core.errors import ArgumentError, LoggedElsewhereError, UserError
from clipit_lightning.core.log import print_error, print_log
from clipit_lightning.core.processes import interrupt

# Before torch is imported: of a rank that dies the others would print pages.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
app.command(cls=KeyHelp)(train)
app.command()(studies.sweep)
app.command()(studies.benchmark)
app.add_typer(data.app, name="data")
app.command(epilog=video.PREPARE_FORMATS)(video.prepare)
app.command(epilog=video.SUMMARIZE_FORMATS)(video.summarize)
app.command(epilog=judge.JUDGE_FORMATS)(judge.judge)
app.command(epilog=keyframes.FORMATS)(keyframes.keyframes)
for command in (
    results.score,
    results.evaluate,
    results.baselines,
    results.compare,
    results.leaderboard,
    results.report,
):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"clipit {__version__}")
        raise typer.Exit


@app.callback()
def clipit(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Language-guided video summarization: train, evaluate, compare (CLIP-It)."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when all went well; 2, after one line on standard error, for an error that the user can fix; 1 where a
        process of several that train together died; 130 when interrupted, also by SIGTERM.
    """
    print_log()
    signal.signal(signal.SIGTERM, interrupt)
    command = get_command(app)
    try:
        with command.make_context("clipit", list(sys.argv[1:] if words is None else words)) as context:
            return command.invoke(context) or 0
    except typer.Exit as stop:
        return stop.exit_code
    except LoggedElsewhereError:
        return 0
    except typer.TyperException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "clipit")
        return _fail(f"{' '.join(error.format_message().split())} (see `{where} --help`)")
    except ArgumentError as error:
        return _fail(error.option)
    except UserError as error:
        return _fail(str(error), error.status)
    except KeyboardInterrupt:
        if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
            _fail("interrupted; the same command continues where it stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nobody reads a message
        return 0
    except OSError as error:  # the machine: no space, no permission, a file that went away
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}; nothing finished is lost, fix it and repeat")


def _fail(message: str, status: int = 2) -> int:
    print_error(message)
    return status


if __name__ == "__main__":
    sys.exit(main())
