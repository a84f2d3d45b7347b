"""OVP and YouTube, the two sets of de Avila et al. (VSUMM, 2011) that the augmented and transfer settings train on.

OVP: 50 videos of the Open Video Project, 1 to 4 minutes. YouTube: 39 videos (50 without the cartoons), 1 to 10 minutes.
Five annotators a video chose key frames. The field uses them in the HDF5 layout of Zhang et al. (ECCV 2016), as
``eccv16_dataset_ovp_google_pool5.h5`` and ``eccv16_dataset_youtube_google_pool5.h5``. They are only trained on, never
tested on; where their videos are validated on, the conventions of SumMe hold. Licence: research use.
"""

from clipit_lightning.data.benchmark import Benchmark

_HOW = "the field's eccv16_dataset_{}_*.h5 (distributed with the code of PGL-SUM, VASNet and DSNet)"

OVP = Benchmark(
    name="ovp",
    title="OVP",
    kind="annotated",
    n_videos=50,
    is_target=False,
    f1_convention="max",
    how_to_get=_HOW.format("ovp"),
)
YOUTUBE = Benchmark(
    name="youtube",
    title="YouTube",
    kind="annotated",
    n_videos=39,
    is_target=False,
    f1_convention="max",
    how_to_get=_HOW.format("youtube"),
)
