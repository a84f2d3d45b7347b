"""Where the benchmarks come from: one table, with licence, size and checksum where they are known.

A source with files can be downloaded (`clipit data fetch NAME`, see ``fetch.py``). One without has no public address
that we would rely on: ``how_to_get`` says where its authors distribute it. We keep no copies; the licences are theirs.
Sizes and checksums that nobody published and we could not measure are None.
"""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipit_lightning.core.errors import UserError


@dataclass(frozen=True)
class RemoteFile:
    """A file to download."""

    url: str
    """Public address, https."""
    name: str
    """Name that the file gets here."""
    size: int | None = None
    """Bytes; None where unknown."""
    sha256: str | None = None
    """Checksum, 64 lower-case hex digits; None where unknown."""

    def verify(self, path: Path) -> str:
        """Check a complete file against what is known, and return its sha256.

        Raises:
            ValueError: It is another file; the message says in what, such as ``has 3 bytes, not 4``.
        """
        with path.open("rb") as content:
            head = content.read(512).lstrip().lower()
            content.seek(0)
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
        if head.startswith((b"<!doctype html", b"<html")):
            raise ValueError("is a web page instead of the file")
        if self.size is not None and size != self.size:
            raise ValueError(f"has {size} bytes, not {self.size}")
        if self.sha256 is not None and digest != self.sha256:
            raise ValueError(f"has the sha256 {digest}, not {self.sha256}")
        return digest


@dataclass(frozen=True)
class Source:
    """A distribution of one benchmark, or of features."""

    name: str
    """Name on the command line."""
    title: str
    """What it is, in a few words."""
    licence: str
    """What its authors allow."""
    how_to_get: str
    """One line: where it is distributed if it cannot be downloaded from here, and what to do with the files."""
    files: tuple[RemoteFile, ...] = ()
    """What can be downloaded; empty where there is no stable public address."""


_VSUMM = (
    "videos and the users' key frames are on https://sites.google.com/site/vsummsite/download; training reads the "
    "field's eccv16_dataset_{}_*.h5 instead (`clipit data fetch features`), then run `clipit data import FOLDER`"
)

SOURCES = (
    Source(
        name="tvsum",
        title="TVSum: 20 annotators' ratings of 50 videos (Song et al., CVPR 2015)",
        licence="videos CC BY 3.0; annotations: see https://github.com/yalesong/tvsum",
        how_to_get="put features (eccv16_dataset_tvsum_*.h5, `clipit data fetch features`) beside it and run "
        "`clipit data import FOLDER`",
        files=(
            RemoteFile(
                url="https://raw.githubusercontent.com/yalesong/tvsum/master/matlab/ydata-tvsum50.mat",
                name="ydata-tvsum50.mat",
                size=1_102_132,
                sha256="6a9d2a0cee7f577736cd38ba3cdb746f86635012791eaaec933480ec00eb9d36",
            ),
        ),
    ),
    Source(
        name="tvsum-videos",
        title="TVSum: the authors' archive with the 50 videos, about 640 MB",
        licence="videos CC BY 3.0",
        how_to_get="unpack ydata-tvsum50-video.zip inside it; the videos are named by their YouTube ids",
        files=(
            RemoteFile(
                url="https://people.csail.mit.edu/yalesong/tvsum/tvsum50_ver_1_1.tgz", name="tvsum50_ver_1_1.tgz"
            ),
        ),
    ),
    Source(
        name="summe",
        title="SumMe: 25 videos and 15 to 18 annotators' summaries of each (Gygli et al., ECCV 2014), about 2.3 GB",
        licence="research use",
        how_to_get="put features (eccv16_dataset_summe_*.h5, `clipit data fetch features`) beside it and run "
        "`clipit data import FOLDER`",
        files=(RemoteFile(url="https://data.vision.ee.ethz.ch/cvl/SumMe/SumMe.zip", name="SumMe.zip"),),
    ),
    Source(
        name="qfvs",
        title="QFVS: queries, tags of shots and oracle summaries of four long videos (Sharghi et al., CVPR 2017)",
        licence="research use",
        how_to_get="annotations from [Data] on the authors' page https://www.aidean-sharghi.com/cvpr2017; the videos "
        "are UT Egocentric's (Lee et al., CVPR 2012), from "
        "http://vision.cs.utexas.edu/projects/egocentric_data/UT_Egocentric_Dataset.html; unpack the "
        "annotations, put features of the shots (qfvs_<features>.h5) beside them and run `clipit data import FOLDER`",
    ),
    Source(
        name="ovp",
        title="OVP: 50 videos of the Open Video Project with five users' key frames (de Avila et al., VSUMM, 2011)",
        licence="research use",
        how_to_get=_VSUMM.format("ovp"),
    ),
    Source(
        name="youtube",
        title="YouTube: 39 videos with five users' key frames (de Avila et al., VSUMM, 2011)",
        licence="research use",
        how_to_get=_VSUMM.format("youtube"),
    ),
    Source(
        name="features",
        title="the field's eccv16_dataset_{tvsum,summe,ovp,youtube}_google_pool5.h5 (Zhang et al., ECCV 2016)",
        licence="research use",
        how_to_get="datasets.tar.gz by the link in the README of "
        "https://github.com/KaiyangZhou/pytorch-vsumm-reinforce "
        "(Zhou et al., AAAI 2018); unpack it and run `clipit data import FOLDER`",
    ),
)
"""All sources, by name on the command line."""


def find_source(name: str, sources: Sequence[Source] = SOURCES) -> Source:
    """The source of a name.

    Raises:
        UserError: There is none; the message names those that there are.
    """
    found = {each.name: each for each in sources}
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        did_you_mean = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"no source is called {name!r}; {did_you_mean}There are {', '.join(found)}")
    return found[name]
