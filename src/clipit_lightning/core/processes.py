"""Which GPU each of several processes on one machine may see."""

import os


def devices(workers: int) -> list[str | None]:
    """For each worker the GPU that it may see, in turns; None where there is nothing to share out."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [str(index) for index in range(torch.cuda.device_count())] if named is None else named.split(",")
    return [gpus[index % len(gpus)] if workers > 1 and len(gpus) > 1 else None for index in range(workers)]
