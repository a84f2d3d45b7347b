"""The exception for what a user can put right; the command line prints it as one line and exits with status 2."""


class UserError(Exception):
    """Something the user can mend. The message is one line: what is wrong, and what to do."""


class SaidElsewhereError(UserError):
    """The same on a process of a group whose first process says it: this one ends in silence."""


def require(condition: bool, key: str, message: str) -> None:
    """Refuse a value, in one line that names its key as it is typed."""
    if not condition:
        raise UserError(f"{key}: {message}")
