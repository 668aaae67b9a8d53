"""Sight: what a renderer drew passes through a creature's eye. Enters: chunks of frames. Leaves: such chunks.

`gpu_job.vision` is the eye; here it gets its frames, and memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gpu_job.memory import memory_ran_out
from gpu_job.renderer import StartOverError
from gpu_job.vision.eye import through

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from shared.optics import Optics


def see(
    chunks: Iterator[NDArray[np.float32]], optics: Optics, *, fps: int, device: str | None
) -> Iterator[NDArray[np.float32]]:
    """Look at frames, some at a time.

    Args:
        chunks: as of `gpu_job.renderer.Renderer.render`; some frames are kept until later ones are known.
        optics: the eye.
        fps: frames a second.
        device: of torch; ``cuda`` where absent and there is one, else ``cpu``.

    Returns:
        As many frames of the same kind, in order, in other pieces perhaps.

    Raises:
        StartOverError: the device has not enough memory for model and eye; the CPU may have.
        ValueError: frames that are none; see `gpu_job.vision.eye.check`.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    # As the encoder does: a renderer's last rounding may lie beside [0, 1].
    frames = (torch.from_numpy(chunk).to(where).clamp(0, 1) for chunk in chunks)
    try:
        for seen in through(frames, optics, fps=fps):
            array: NDArray[np.float32] = seen.cpu().numpy()
            yield array
    except (RuntimeError, MemoryError) as exc:
        if not memory_ran_out(exc):
            raise
        exc.with_traceback(None)  # it holds the frames of the calls, and these hold the tensors
        raise StartOverError(f"There is not enough free memory on {where} to see.") from exc
