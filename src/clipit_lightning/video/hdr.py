"""High dynamic range: which videos have it, and how their pictures become standard range (BT.709) for all screens.

FFmpeg's own scaler maps tones and colours: its `scale` filter with the intent ``perceptual`` compresses lights from the
peak that the file names, else its transfer's, and clips none of them.
"""

from functools import lru_cache
from threading import get_ident

from av.filter.graph import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

_TRANSFERS = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
_UNSPECIFIED, _BT2020_MATRIX = 2, 9  # of matrices, as FFmpeg numbers them (ITU-T H.273)


def hdr_transfer(picture: VideoFrame) -> str | None:
    """``PQ`` or ``HLG`` for a frame of high dynamic range."""
    return _TRANSFERS.get(picture.color_trc)


def tone_mapped(picture: VideoFrame) -> VideoFrame:
    """A frame of high dynamic range as 8 bits 4:2:0 in BT.709, of the same size; any other frame as it is."""
    if hdr_transfer(picture) is None:
        return picture
    if picture.colorspace == _UNSPECIFIED:
        picture.colorspace = _BT2020_MATRIX
    if picture.color_primaries == ColorPrimaries.UNSPECIFIED:
        picture.color_primaries = ColorPrimaries.BT2020
    look = (picture.width, picture.height, picture.format.name, picture.colorspace, picture.color_range)
    graph = _graph(*look, picture.color_trc, get_ident())
    graph.vpush(picture)
    return graph.vpull()


@lru_cache(maxsize=2)  # its table of colours takes seconds to make; two, as a summary is read beside its source
def _graph(width: int, height: int, pix_fmt: str, matrix: int, color_range: int, transfer: int, thread: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    size = f"video_size={width}x{height}:pix_fmt={pix_fmt}:time_base=1/1000"
    nodes = (
        graph.add("buffer", f"{size}:colorspace={matrix}:range={color_range}"),
        graph.add(
            "scale",
            "out_color_matrix=bt709:out_primaries=bt709:out_transfer=bt709:out_range=tv"
            ":intent=perceptual:flags=bicubic+accurate_rnd",
        ),
        graph.add("format", "pix_fmts=yuv420p"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*nodes).configure()
    return graph
