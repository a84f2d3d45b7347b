"""Lines of progress and notes: one logger, whose lines the ``clipit`` command prints plainly."""

import logging
import sys

log = logging.getLogger("clipit_lightning")
log.setLevel(logging.INFO)


def _escape(record: logging.LogRecord) -> bool:
    """Names of files may hold bytes that are no text, which could not be printed; they are shown as escapes."""
    record.msg, record.args = record.getMessage().encode("utf-8", "backslashreplace").decode("utf-8"), None
    return True


log.addFilter(_escape)


class PlainHandler(logging.Handler):
    """Prints each line on standard output as it is at that moment, so that tests and pipes see it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the line; an error of writing, such as a reader that left, is the caller's."""
        # One write, so that lines of processes that share an output do not mix: torchrun starts them unbuffered.
        print(f"{self.format(record)}\n", end="", flush=True)


def print_log() -> None:
    """Print the log, once however often it is asked for."""
    if not any(isinstance(handler, PlainHandler) for handler in log.handlers):
        log.addHandler(PlainHandler())


def print_error(message: str) -> None:
    """Print one line on standard error, where names from files show their line ends and escapes of terminals."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)
    print(f"clipit: {shown if len(shown) <= 900 else f'{shown[:450]} ... {shown[-400:]}'}", file=sys.stderr)
