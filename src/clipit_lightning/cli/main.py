"""The ``clipit`` command: its subcommands are in ``commands/``, with heavy imports inside, so that help is quick."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from clipit_lightning import __version__
from clipit_lightning.cli import benchmarking, data, measuring, preparing, reporting, summarizing, sweeping, training
from clipit_lightning.core.errors import SaidElsewhereError, UserError


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when all went well; 2, after one line on standard error, for an error that the user can mend; 130 when
        interrupted, also by SIGTERM.
    """
    options = _parse(words)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status: int = options.function(options)
        return status
    except SaidElsewhereError:
        return 0
    except UserError as error:
        print(f"clipit: {_one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
            print("clipit: interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nothing to say to nobody
        return 0
    except OSError as error:  # the machine: no space, no permission, a file that went away
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"clipit: {where}{error.strerror or error}; nothing finished is lost, mend it and repeat", file=sys.stderr
        )
        return 2


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    """As of argparse, which takes words in one place only; ours may stand before, between and after options."""
    parser = _parser()
    options, late = parser.parse_known_args(words)
    if late and ("words" not in options or any(word.startswith("-") for word in late)):
        parser.error(f"unrecognized arguments: {' '.join(late)}")
    if late:
        options.words = [*options.words, *late]
    return options


def _one_line(text: str) -> str:
    """Names from files may hold line ends and the escapes that move a terminal's cursor; they are shown, not obeyed."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return shown if len(shown) <= 900 else f"{shown[:450]} ... {shown[-400:]}"


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM, which schedulers send, stops like Ctrl-C; another one must not disturb the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipit", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.description = "Language-guided video summarization: train, evaluate, compare (CLIP-It)."
    parser.add_argument("--version", action="version", version=f"clipit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    training.add_train(commands)
    sweeping.add_sweep(commands)
    benchmarking.add_benchmark(commands)
    data.add_data(commands)
    preparing.add_prepare(commands)
    summarizing.add_summarize(commands)
    measuring.add_evaluate(commands)
    measuring.add_baselines(commands)
    measuring.add_compare(commands)
    measuring.add_leaderboard(commands)
    reporting.add_report(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
