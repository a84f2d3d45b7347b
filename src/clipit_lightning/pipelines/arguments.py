"""Arguments of `prepare` and `summarize`: what excludes what, and which encoder is meant."""

from clipit_lightning.core.errors import ArgumentError
from clipit_lightning.video.encoders import KINDS


def check_one_of(**values: object) -> None:
    """Raise an ArgumentError where more than one of some arguments is given."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        raise ArgumentError(given[0], f"is not allowed with {given[1]}; give one of them")


def check_for_run(run: object | None, **values: object) -> None:
    """Raise an ArgumentError where an argument is given that is for a trained run, and no run is."""
    given = [name for name, value in values.items() if value is not None]
    if run is None and given:
        raise ArgumentError(given[0], "is for a trained run; name one (run=FOLDER, --checkpoint FOLDER)")


def require_encoder(name: str | None, note: str = "") -> str:
    """An encoder's name; an ArgumentError where none is given, for there is no default."""
    if name is None:
        kinds = ", ".join(KINDS)
        raise ArgumentError("encoder", f"name one: {kinds} (conse and hsv need no hub){note}")
    return name
