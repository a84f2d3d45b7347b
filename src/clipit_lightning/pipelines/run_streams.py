"""Which streams a trained run needs beside what its encoder sees, and whether a raw video can give them."""

from collections.abc import Mapping
from pathlib import Path

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.streams import VISUAL
from clipit_lightning.video.streams import WIDTHS, chosen_streams, streams_provenance


def streams_beside(path: Path, streams: Mapping[str, int], made: Mapping[str, str]) -> tuple[str, ...]:
    """The names of a run's streams but for what is seen, in order.

    Args:
        path: The run's folder.
        streams: Its streams, with their widths.
        made: What its store says of how features were made.

    Raises:
        UserError: One of them cannot be made of a raw video, or not as it was made then.
    """
    beside = {name: width for name, width in streams.items() if name != VISUAL}
    defined = streams_provenance(0, chosen_streams(name for name in beside if name in WIDTHS))
    for name, width in beside.items():
        if WIDTHS.get(name) != width or made.get(name) != defined.get(name):
            what = f"a stream {name!r} of {width} features"
            raise UserError(f"{path}: was trained on {what}, which is not made of raw videos here; choose another run")
    return tuple(beside)
