"""The exception for what a user can put right; the command line prints it as one line and exits with status 2."""

from collections.abc import Collection


class UserError(Exception):
    """Something the user can fix. The message is one line: what is wrong, and what to do."""

    status = 2
    """The exit status of the command."""


class ArgumentError(UserError, ValueError):
    """A wrong argument of a public function: its name, and what to do; the command line calls it as its option."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.option = f"--{name.replace('_', '-')}: {message}"
        """The message with the name as it is typed on the command line."""


class RankError(UserError):
    """A process of those that train together died, by its own fault or not."""

    status = 1


class LoggedElsewhereError(UserError):
    """A UserError that the first process of a group prints: this process ends in silence."""


def check_known(name: str, value: object, known: Collection[str]) -> None:
    """Raise a ValueError, of one line, where an argument of a public function is none of those that there are."""
    if value not in known:
        raise ValueError(f"{name}={value!r}: there are {', '.join(known)}")


def first_line(error: BaseException) -> str:
    """What an error of a library says first; its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def require(condition: bool, key: str, message: str) -> None:
    """Check a value; the error is one line that names its key as it is typed."""
    if not condition:
        raise UserError(f"{key}: {message}")
