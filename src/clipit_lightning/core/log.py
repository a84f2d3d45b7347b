"""Lines of progress and notes: one logger, whose lines the ``clipit`` command prints plainly."""

import io
import logging
import sys
from unicodedata import category

log = logging.getLogger("clipit_lightning")
log.setLevel(logging.INFO)


def printable(text: str) -> str:
    """A text whose control characters, which a terminal obeys, and bytes that are no text are shown as escapes."""
    return "".join(
        repr(letter)[1:-1] if category(letter)[0] == "C" and letter not in "\n\t" else letter for letter in text
    )


def show(text: object, error: bool = False) -> None:
    """Print a text that may hold names, keys and attributes of files, on standard output or standard error."""
    print(printable(str(text)), file=sys.stderr if error else sys.stdout)


def _escape(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), None
    return True


log.addFilter(_escape)


class PlainHandler(logging.Handler):
    """Prints each line on standard output as it is at that moment, so that tests and pipes see it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the line; an error of writing, such as a reader that left, is the caller's."""
        # One write, so that lines of processes that share an output do not mix: torchrun starts them unbuffered.
        print(f"{self.format(record)}\n", end="", flush=True)


def print_log() -> None:
    """Print the log, once however often it is asked for; letters that an output does not know are shown as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not any(isinstance(handler, PlainHandler) for handler in log.handlers):
        log.addHandler(PlainHandler())


def print_error(message: str) -> None:
    """Print one line on standard error, where names from files show their line ends and escapes of terminals."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)
    print(f"clipit: {shown if len(shown) <= 900 else f'{shown[:450]} ... {shown[-400:]}'}", file=sys.stderr)
