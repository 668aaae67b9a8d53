"""Receptors: colours as an eye with other cones tells them apart. Enters: frames, the cones' peaks. Leaves: frames.

1. Light: a picture shows on a display of three Gaussian bands (`BANDS`), mixed so that a person sees the picture's own
   colours. Colour matching functions: Wyman, Sloan & Shirley 2013 (JCGT 2(2):1), of CIE 1931.
2. Receptors: the visual pigment template of Govardovskii et al. 2000 (Vis. Neurosci. 17:509), A1, alpha and beta band,
   from each cone's peak. Each is scaled so that white excites all alike: neutrals stay neutral. What lies before the
   pigment, lens and oil droplets, is left out, and fish with A2 pigments have A1 ones of the same peaks here.
3. Display: the colour by which a person's cones are excited as the creature's are, the longest for the longest. With
   two cones it is a mix of blue and yellow: blue such that a person's S cones, yellow such that L and M together are
   excited as the creature's short and long ones (after Viénot, Brettel & Mollon 1999, Color Res. Appl. 24:243, for
   people with two). With one, all is grey. A person's own peaks change nothing.

Cones below `VISIBLE_NM` see what no picture holds, ultraviolet: they are left out. Of four that are left, the shortest
is. All of it is one 3x3 matrix.
"""

from __future__ import annotations

from functools import cache
from math import exp
from typing import TYPE_CHECKING

import torch

from gpu_job.vision.light import recoloured

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Peak and standard deviation in nm of the display's blue, green and red.
BANDS = ((450.0, 12.0), (535.0, 18.0), (615.0, 12.0))
#: Peaks of a person's cone pigments: Dartnall, Bowmaker & Mollon 1983 (Proc. R. Soc. B 220:115).
HUMAN_NM = (420.0, 530.3, 558.4)
#: Pictures hold no light that is shorter.
VISIBLE_NM = 400.0
#: Of the sums over wavelengths.
WAVELENGTHS = torch.arange(360.0, 760.0, 1.0, dtype=torch.float64)
#: Linear sRGB to CIE XYZ (IEC 61966-2-1).
SRGB_TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    dtype=torch.float64,
)


def project(light: torch.Tensor, *, peaks_nm: Sequence[float]) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` in linear light as an eye with cones of these peaks tells their colours apart.

    Raises:
        ValueError: no cone sees anything of a picture.
    """
    return recoloured(light, matrix(tuple(peaks_nm)))


@cache
def matrix(peaks_nm: tuple[float, ...]) -> torch.Tensor:
    """``(3, 3)``: linear sRGB to linear sRGB."""
    seen = sorted(peak for peak in peaks_nm if peak >= VISIBLE_NM)[-3:]
    if not seen:
        msg = f"No cone of {peaks_nm} sees anything of a picture."
        raise ValueError(msg)
    excited = excitations(tuple(seen))  # (n, 3)
    person = excitations(HUMAN_NM)
    if len(seen) == 3:  # noqa: PLR2004 - as a person has
        alike: torch.Tensor = torch.linalg.solve(person, excited)
        return alike
    if len(seen) == 1:
        return excited.expand(3, 3)
    short, long = person[0], person[1:].mean(dim=0)
    yellow_and_blue = torch.stack([torch.stack([cone[:2].sum(), cone[2]]) for cone in (short, long)])
    mixed: torch.Tensor = torch.linalg.solve(yellow_and_blue, excited)  # (yellow and blue, 3)
    return mixed[[0, 0, 1]]


def excitations(peaks_nm: tuple[float, ...]) -> torch.Tensor:
    """What linear sRGB excites in cones: ``(n, 3)``, white being 1 for each."""
    spectra = _display()  # (wavelengths, 3)
    cones = torch.stack([template(peak) for peak in peaks_nm])
    excited = cones @ spectra
    return excited / excited.sum(dim=1, keepdim=True)


def template(peak_nm: float) -> torch.Tensor:
    """Sensitivity of a pigment at `WAVELENGTHS`, 1 at its peak."""
    x = peak_nm / WAVELENGTHS
    a = 0.8795 + 0.0459 * exp(-((peak_nm - 300) ** 2) / 11940)
    alpha = 1 / (torch.exp(69.7 * (a - x)) + torch.exp(28 * (0.922 - x)) + torch.exp(-14.9 * (1.104 - x)) + 0.674)
    beta_peak, beta_width = 189 + 0.315 * peak_nm, -40.5 + 0.195 * peak_nm
    return alpha + 0.26 * torch.exp(-(((WAVELENGTHS - beta_peak) / beta_width) ** 2))


def _display() -> torch.Tensor:
    """Spectra ``(wavelengths, 3)`` of linear sRGB's red, green and blue on the display."""
    bands = torch.stack([torch.exp(-0.5 * ((WAVELENGTHS - peak) / width) ** 2) for peak, width in BANDS], dim=1)
    mix: torch.Tensor = torch.linalg.solve(_matching() @ bands, SRGB_TO_XYZ)
    return bands @ mix


def _matching() -> torch.Tensor:
    """The CIE 1931 colour matching functions, ``(3, wavelengths)``."""

    def lobe(height: float, peak: float, left: float, right: float) -> torch.Tensor:
        width = torch.where(peak > WAVELENGTHS, left, right)
        return height * torch.exp(-0.5 * ((WAVELENGTHS - peak) / width) ** 2)

    x = lobe(1.056, 599.8, 37.9, 31.0) + lobe(0.362, 442.0, 16.0, 26.7) + lobe(-0.065, 501.1, 20.4, 26.2)
    y = lobe(0.821, 568.8, 46.9, 40.5) + lobe(0.286, 530.9, 16.3, 31.1)
    z = lobe(1.217, 437.0, 11.8, 36.0) + lobe(0.681, 459.0, 26.0, 13.8)
    return torch.stack([x, y, z])
