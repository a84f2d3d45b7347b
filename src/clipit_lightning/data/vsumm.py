"""OVP and YouTube, the two sets of de Avila et al. (VSUMM, 2011) that the augmented and transfer settings train on.

OVP: 50 videos of the Open Video Project, 1 to 4 minutes. YouTube: 39 videos (50 without the cartoons), 1 to 10 minutes.
Five annotators a video chose key frames. The field uses them in the HDF5 layout of Zhang et al. (ECCV 2016), as
``eccv16_dataset_ovp_google_pool5.h5`` and ``eccv16_dataset_youtube_google_pool5.h5``. They are only trained on, never
tested on; where their videos are validated on, the conventions of SumMe hold. Licence: research use.
"""

from collections.abc import Collection

from clipit_lightning.data.benchmark import Benchmark, Source


def _benchmark(name: str, title: str, numbers: Collection[int], content: str) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        kind="annotated",
        n_videos=len(numbers),
        numbers=frozenset(numbers),
        is_target=False,
        f1_convention="max",
        how_to_get=f"the field's eccv16_dataset_{name}_*.h5 (distributed with the code of PGL-SUM, VASNet and DSNet)",
        sources=(
            Source(
                name=name,
                title=f"{title}: {content} (de Avila et al., VSUMM, 2011)",
                licence="research use",
                how_to_get="videos and the users' key frames are on https://sites.google.com/site/vsummsite/download; "
                f"training reads the field's eccv16_dataset_{name}_*.h5 instead (`clipit data fetch features`), then "
                "run `clipit data import FOLDER`",
            ),
        ),
    )


OVP = _benchmark("ovp", "OVP", range(1, 51), "50 videos of the Open Video Project with five users' key frames")
# 39 of its 50: the others, cartoons, keep their numbers.
YOUTUBE = _benchmark("youtube", "YouTube", {*range(11, 51)} - {22}, "39 videos with five users' key frames")
