"""Streams of features beside what an encoder sees: their names, widths and definitions."""

from collections.abc import Iterable, Sequence

from clipit_lightning.core.errors import ArgumentError
from clipit_lightning.video import log_mel, motion
from clipit_lightning.video.audio_model import AudioModel, load_audio_model

WIDTHS = {"audio": log_mel.WIDTH, "motion": motion.WIDTH}
"""Columns of each stream that can be made of a raw video without a model; the last one is its mask."""
MODEL = "audio:"
"""How the name begins of the stream ``audio`` by a model of transformers; the model's name follows."""
_DEFINITIONS = {"audio": log_mel.DEFINITION, "motion": motion.DEFINITION}

Stream = str | AudioModel
"""What makes a stream: its name, one of ``WIDTHS``, or the model that hears."""


def chosen_streams(names: str | Iterable[str]) -> tuple[str, ...]:
    """Streams by their names, of a text parted by commas, in the order of `WIDTHS`; ``audio:MODEL`` is one of sound.

    Raises:
        ArgumentError: There is no such stream, or there are two of sound.
    """
    words = names.split(",") if isinstance(names, str) else list(names)
    wanted = dict.fromkeys(word.strip() for word in words if word.strip())
    if unknown := [name for name in wanted if name not in WIDTHS and not (name.startswith(MODEL) and name != MODEL)]:
        there = f"there are {', '.join(WIDTHS)}, and {MODEL}MODEL for a model of transformers"
        raise ArgumentError("streams", f"no stream {unknown[0][:40]!r}; {there}")
    chosen = tuple(name for kind in WIDTHS for name in wanted if stream_name(name) == kind)
    if len({stream_name(name) for name in chosen}) < len(chosen):
        raise ArgumentError("streams", f"{chosen[0][:80]} and {chosen[1][:80]} are both of sound; give one of them")
    return chosen


def stream_name(stream: Stream) -> str:
    """The name of a stream in a store."""
    return stream.partition(":")[0] if isinstance(stream, str) else "audio"


def load_streams(names: Iterable[str], device: str) -> tuple[Stream, ...]:
    """What makes each stream, with its model on a device.

    Raises:
        UserError: A model is not there, not loadable, or not one of sound.
    """
    return tuple(
        load_audio_model(name.removeprefix(MODEL), device) if name.startswith(MODEL) else name for name in names
    )


def streams_provenance(visual: int, streams: Sequence[Stream]) -> dict[str, str]:
    """What a store records: the parts of its features, and how those beside what is seen are made; nothing of none."""
    if not streams:
        return {}
    widths, made = {"visual": visual}, dict[str, str]()
    for stream in streams:
        if isinstance(stream, str):
            widths[stream], made[stream] = WIDTHS[stream], _DEFINITIONS[stream]
        else:
            widths["audio"] = stream.width
            made |= stream.provenance()
    return {"streams": ", ".join(f"{name}:{width}" for name, width in widths.items()), **made}
