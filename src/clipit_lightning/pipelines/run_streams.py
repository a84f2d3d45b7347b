"""Which streams a trained run needs beside what its encoder sees, and whether a raw video can give them."""

from collections.abc import Mapping
from pathlib import Path

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.streams import VISUAL
from clipit_lightning.video.audio_model import AudioModel
from clipit_lightning.video.streams import MODEL, WIDTHS, Stream, chosen_streams, load_streams, streams_provenance


def streams_beside(path: Path, streams: Mapping[str, int], made: Mapping[str, str]) -> tuple[str, ...]:
    """The names of a run's streams but for what is seen, in order; ``audio:MODEL`` where a model heard.

    Args:
        path: The run's folder.
        streams: Its streams, with their widths.
        made: What its store says of how features were made.

    Raises:
        UserError: One of them cannot be made of a raw video, or not as it was made then.
    """
    beside = {name: width for name, width in streams.items() if name != VISUAL}
    model = made.get("audio_model")
    defined = streams_provenance(0, chosen_streams(name for name in beside if name in WIDTHS))
    for name, width in beside.items():
        by_model = name == "audio" and model is not None
        if not by_model and (WIDTHS.get(name) != width or made.get(name) != defined.get(name)):
            what = f"a stream {name!r} of {width} features"
            raise UserError(f"{path}: was trained on {what}, which is not made of raw videos here; choose another run")
    return tuple(f"{MODEL}{model}" if name == "audio" and model is not None else name for name in beside)


def load_beside(path: Path, beside: tuple[str, ...], made: Mapping[str, str], device: str) -> tuple[Stream, ...]:
    """What makes a run's streams, by their names; ``path`` and ``made`` as for ``streams_beside``.

    Raises:
        UserError: A model cannot be loaded, or is not the one that heard then.
    """
    loaded = load_streams(beside, device)
    for stream in loaded:
        if isinstance(stream, AudioModel):
            now = stream.provenance()
            if other := [key for key in ("audio", "audio_weights_sha256") if now[key] != made.get(key)]:
                what = f"sound as {MODEL}{stream.name} heard it then"
                raise UserError(f"{path}: was trained on {what}, and it hears otherwise now (another {other[0]})")
    return loaded
