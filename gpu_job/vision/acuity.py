"""Acuity: what is finer than an eye resolves is lost. Enters: frames, an acuity. Leaves: frames.

The spectrum of the picture is multiplied by ``MTF(f) = exp(-3.56 (MRA f)²)``, f in cycles per degree and MRA = 1 /
acuity in degrees: Caves & Johnsen 2018, "AcuityView" (Methods Ecol. Evol. 9:793). That is a Gaussian, so it is applied
to rows and columns one after the other, in the way that is fastest for its width: neighbours are added, or a matrix
does it, or the lowest cosines are all that is left. Beyond its edges a picture goes on as its mirror image.

The contrast of waves of four pixels and longer is off by `SLIP` of itself at most. Finer ones keep more than the
formula says where the eye resolves about a pixel: weights that followed it there would be negative, and draw halos
along edges.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import count
from math import ceil, log, pi, sqrt

import torch

from gpu_job.vision.bands import Bands, across, banded, down

#: Of the formula.
FALL = 3.56
#: Part of its contrast by which a wave may be off; of those that keep less than `FAINT`, part of that.
SLIP, FAINT = 0.005, 0.02
#: Finest waves that this holds for, in cycles a pixel; pixels hold none above 0.5.
FINEST = 0.25
#: Neighbours at a side, up to which adding them is faster than a matrix.
FEW = 7
#: Wider than this, in pixels, the cosines are faster.
WIDE_PX = 8.0
#: Contrast below which a cosine is left out.
NOTHING = 1e-5


def blur(light: torch.Tensor, *, acuity_cpd: float, field_deg: float) -> torch.Tensor:
    """Frames as an eye of that acuity sees them.

    Args:
        light: ``(T, C, H, W)``, linear.
        acuity_cpd: cycles per degree.
        field_deg: that the frame spans horizontally.

    Raises:
        ValueError: an acuity or a field that is not above 0.
    """
    if not (acuity_cpd > 0 and field_deg > 0):
        msg = f"Acuity ({acuity_cpd}) and field ({field_deg}) must be above 0."
        raise ValueError(msg)
    return gaussian(light, sigma_px=deviation(acuity_cpd) * light.shape[3] / field_deg)


def deviation(cutoff: float) -> float:
    """Standard deviation of the Gaussian whose transform is the MTF, in 1 / the unit of the cut-off."""
    return sqrt(FALL / 2) / pi / cutoff


def gaussian(light: torch.Tensor, *, sigma_px: float) -> torch.Tensor:
    """Frames ``(T, C, H, W)`` blurred by a Gaussian of that standard deviation."""
    height, width = light.shape[2:]
    if sigma_px >= WIDE_PX:
        (rows, from_rows), (columns, from_columns) = _cosines(height, sigma_px), _cosines(width, sigma_px)
        low = from_rows.to(light) @ light @ from_columns.to(light).T  # (T, C, K, L)
        return rows.to(light) @ (low @ columns.to(light).T)
    near = weights(sigma_px).tolist()
    if len(near) > 2 * FEW + 1:
        return across(down(light, _matrix(height, sigma_px)), _matrix(width, sigma_px))
    return _added(_added(light, near, axis=2), near, axis=3)


@cache
def weights(sigma: float) -> torch.Tensor:
    """Of neighbours, ``(2 n + 1,)``, for a Gaussian of that standard deviation, in neighbours: as few as do.

    They are fitted to the MTF. Sampled from the Gaussian itself, where it is narrower than a neighbour, they would miss
    what lies between.
    """
    waves = torch.linspace(0, 0.5, 129, dtype=torch.float64)  # cycles a neighbour
    wanted = _kept(sigma, waves)
    matters = 1 / wanted.clamp(min=FAINT)
    matters[waves > FINEST] *= 0.02
    matters[0] *= 100  # what is even stays as it is
    for reach in count():
        cosines = torch.cos(2 * pi * waves[:, None] * torch.arange(reach + 1))
        found = torch.linalg.lstsq(cosines * matters[:, None], (wanted * matters)[:, None]).solution.squeeze(1)
        off = (cosines @ found - wanted).abs() / wanted.clamp(min=FAINT)
        if off[waves <= FINEST].max() <= SLIP:
            break
    side = found[1:] / 2
    near = torch.cat([side.flip(0), found[:1], side])
    return (near / near.sum()).float()


def _kept(sigma: float, waves: torch.Tensor) -> torch.Tensor:
    """Contrast of waves of so many cycles a neighbour."""
    return torch.exp(-2 * (pi * sigma * waves) ** 2)


def _added(light: torch.Tensor, near: list[float], *, axis: int) -> torch.Tensor:
    """Neighbours along an axis, each by its weight."""
    reach, size = len(near) // 2, light.shape[axis]
    if not reach:
        return light
    seen = light * near[reach]
    for step in range(1, min(reach, size) + 1):
        rest, weight = size - step, near[reach + step]
        ahead, behind = light.narrow(axis, step, rest), light.narrow(axis, 0, rest)
        seen.narrow(axis, 0, rest).add_(ahead, alpha=weight)
        seen.narrow(axis, step, rest).add_(behind, alpha=weight)
        for edge in (0, rest):
            mirrored = light.narrow(axis, edge, step).flip(axis)
            seen.narrow(axis, edge, step).add_(mirrored, alpha=weight)
    return seen


@lru_cache(maxsize=64)
def _matrix(size: int, sigma_px: float) -> Bands:
    """The blur of a row of that size, mirrored at both ends."""
    near = weights(sigma_px)
    reach = len(near) // 2
    looked_at = torch.arange(size).unsqueeze(1) + torch.arange(-reach, reach + 1)
    looked_at %= 2 * size
    looked_at = torch.where(looked_at < size, looked_at, 2 * size - 1 - looked_at)
    return banded(torch.zeros(size, size).scatter_add_(1, looked_at, near.expand(size, -1)))


@lru_cache(maxsize=64)
def _cosines(size: int, sigma_px: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices from the lowest cosines to pixels ``(size, K)`` and, contrast taken off, back ``(K, size)``."""
    # cosine k of a row of n pixels has k / 2n cycles a pixel
    few = min(size, ceil(2 * size * sqrt(-log(NOTHING) / 2) / pi / sigma_px) + 1)
    order = torch.arange(few, dtype=torch.float64)
    middles = torch.arange(size, dtype=torch.float64) + 0.5
    waves = torch.cos(pi * middles[:, None] * order / size) * (2 / size) ** 0.5
    waves[:, 0] /= sqrt(2)
    kept = _kept(sigma_px, order / (2 * size))
    return waves.float(), (kept[:, None] * waves.T).float()
