"""Deblocking: patches that were drawn side by side meet without a seam. Enters and leaves: a video.

As the in-loop filters of video codecs do (List 2003, IEEE Trans. Circuits Syst. Video Technol. 13:614): where two
patches meet, the jump beyond what both sides' slopes explain is spread over the pixels before and behind it. A large
jump is an edge of something, and stays.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 - its name everywhere

#: Pixels on each side that a jump is spread over.
REACH = 16
#: A jump is the mean along so many pixels of the seam: what differs from pixel to pixel is the picture's own.
ALONG = 9
#: Of pixels in [-1, 1]: much larger jumps are edges.
LIMIT = 0.5
#: Every round meets what the one before has left.
ROUNDS = 2


def deblocked(video: torch.Tensor, size: int) -> torch.Tensor:
    """A video ``(N, C, T, H, W)`` in [-1, 1] whose patches of ``size`` pixels meet; those below 4 are left alone."""
    if size < 4:  # noqa: PLR2004 - there is no slope to be told
        return video
    for _ in range(ROUNDS):
        for _ in range(2):
            video = _smooth_columns(video.transpose(-1, -2), size)
    return video


def _smooth_columns(video: torch.Tensor, size: int) -> torch.Tensor:
    """The same where patches meet side by side."""
    *outer, height, width = video.shape
    if width <= size:
        return video
    reach = min(REACH, size // 2)
    patches = video.reshape(*outer, height, width // size, size).clone()
    left, right = patches[..., :-1, :], patches[..., 1:, :]
    slope = ((left[..., -1] - left[..., -3]) + (right[..., 2] - right[..., 0])) / 4
    jumps = (right[..., 0] - left[..., -1] - slope).transpose(-1, -2)  # (..., seams, H)
    seams = jumps.shape[-2]
    padded = F.pad(jumps.reshape(-1, 1, height), (ALONG // 2, ALONG // 2), mode="replicate")
    jumps = F.avg_pool1d(padded, ALONG, 1).view(*outer, seams, height).transpose(-1, -2)
    jumps = 0.5 * jumps * torch.exp(-((jumps / LIMIT) ** 2))
    ramp = 1 - (torch.arange(reach, dtype=video.dtype, device=video.device) + 0.5) / reach
    right[..., :reach] -= jumps[..., None] * ramp
    left[..., size - reach :] += jumps[..., None] * ramp.flip(0)
    return patches.view(*outer, height, width)
