"""An early picture of a video that is not made yet. Enters: a sketch. Leaves: a small JPEG, as the creature sees it.

It passes through the same eye as the video: what people wait for is what the creature sees, and a picture of anything
else would promise what does not come. What takes more than a frame, such as flicker, is not in it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from gpu_job.pictures import MADE_BY_AI
from gpu_job.tail import eye_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.requests import RenderSpec

#: In pixels; videos that are smaller have a preview of their own size. As much as a sketch of 1/8 of 832x480 holds.
LONGEST_EDGE: Final = 416
#: A sketch is soft, so more would cost bytes only.
QUALITY: Final = 80


def preview(sketch: NDArray[np.float32], spec: RenderSpec) -> bytes:
    """A sketch ``(h, w, 3) in [0, 1]`` as a JPEG.

    Raises:
        ValueError: values that are no numbers.
    """
    if not np.isfinite(sketch).all():
        raise ValueError("The sketch holds values that are not numbers.")
    scale = min(1.0, LONGEST_EDGE / max(spec.width, spec.height))
    size = round(spec.width * scale), round(spec.height * scale)
    picture = Image.fromarray(np.rint(np.clip(sketch, 0, 1) * 255).astype(np.uint8))
    frame = np.asarray(picture.resize(size, Image.Resampling.BICUBIC)).astype(np.float32) / np.float32(255)
    if (eye := eye_of(spec)) is not None:
        import torch  # noqa: PLC0415 - only once there is work

        from gpu_job.vision.eye import see  # noqa: PLC0415 - see there

        # On the CPU, which waits while a GPU draws, and whose memory the model does not need.
        frame = see(torch.from_numpy(frame[None]), eye, fps=spec.fps)[0].numpy()
    file = io.BytesIO()
    Image.fromarray(np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)).save(
        file, "JPEG", quality=QUALITY, xmp=MADE_BY_AI
    )
    return file.getvalue()
