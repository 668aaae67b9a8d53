"""The eye: all stages in the order in which light meets them. Enters: frames, `Optics`. Leaves: frames like them.

1. Display values become light; a cloudy lens takes its part of it and veils the rest.
2. Where the eye looks: the angles of a camera become those of an eye, one picture or one for each side.
3. What is finer than it resolves is lost; of a compound eye, what is finer than a facet.
4. What changes too fast runs together.
5. How much light it gathers, what its cones make of the colours, what its rods see without colour.
6. Contrast, blind spots, warmth, the edge of its field. Light becomes display values again.

What an `Optics` does not say is off, and frames pass unchanged where all of it is. Nothing is normalised by what a
frame shows: what does not change does not flicker. Of a clip, some frames at a time are in memory as light, `CHUNK` of
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gpu_job.vision import acuity, deficiency, facets, field, flicker, low_light, receptors
from gpu_job.vision.light import luminance, to_display, to_linear

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.optics import Heat, Lens, Optics

#: Frames of a whole clip in work at a time: 8 of 1280x720 in single precision are 88 MB, and a stage holds about four such.
CHUNK = 8
#: A stage with noise draws it for each frame anew, from the frame's number and this.
NOISE_SEED = 20_260
#: Of the veil: so blurred, in degrees, that no shape is left.
VEIL_DEG = 12.0
#: Of contrast: what is nearer than this, in degrees, is compared.
NEAR_DEG = 6.0
#: Of the edge of a blind spot, in parts of its radius.
SOFT = 0.5
#: Grey of a blind spot, linear: it is not black, since what is blind sees nothing.
BLIND = 0.12
#: False colours of warmth from cold to hot, linear light.
COLD_TO_HOT = ((0.01, 0.01, 0.10), (0.20, 0.01, 0.30), (0.80, 0.10, 0.05), (1.0, 0.70, 0.10))


def see(frames: torch.Tensor, optics: Optics, *, fps: float) -> torch.Tensor:
    """A whole clip through an eye.

    Args:
        frames: ``(T, H, W, 3) float32 in [0, 1]``, display sRGB.
        optics: the eye.
        fps: frames a second.

    Returns:
        The same shape and kind; the very same tensor where the optics say nothing.

    Raises:
        ValueError: no frames, a wrong shape, or values that are no numbers or outside of [0, 1].
    """
    check(frames)
    return torch.cat(list(through(frames.split(CHUNK), optics, fps=fps))) if optics.figures else frames


def through(chunks: Iterable[torch.Tensor], optics: Optics, *, fps: float) -> Iterator[torch.Tensor]:
    """A clip through an eye, some frames at a time: chunks ``(n, H, W, 3)`` as of `see`, and such chunks.

    Some may come out later than they went in, and in other pieces.

    Raises:
        ValueError: as of `see`.
    """
    if not optics.figures:
        yield from map(check, chunks)
        return
    light: Iterator[torch.Tensor] = (_focused(to_linear(check(chunk)), optics) for chunk in chunks)
    if optics.fusion_hz:
        light = flicker.run_together(light, fusion_hz=optics.fusion_hz.value, fps=fps)
    first, adapted_to = 0, 0.0
    for chunk in light:
        if first == 0:
            adapted_to = float(luminance(chunk[0]).mean())
        yield _understood(chunk, optics, first=first, adapted_to=adapted_to)
        first += len(chunk)


def check(frames: torch.Tensor) -> torch.Tensor:
    """The frames themselves, where they are some. Raises `ValueError` where not."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:  # noqa: PLR2004 - (T, H, W, 3)
        msg = f"Frames must be (T, H, W, 3) with something in them, not {tuple(frames.shape)}."
        raise ValueError(msg)
    if not torch.isfinite(frames).all():
        msg = "Frames hold values that are not numbers."
        raise ValueError(msg)
    if frames.min() < 0 or frames.max() > 1:
        msg = f"Frames must lie in [0, 1], not in [{frames.min():.3g}, {frames.max():.3g}]."
        raise ValueError(msg)
    return frames


def _focused(light: torch.Tensor, optics: Optics) -> torch.Tensor:
    """Steps 1 to 3."""
    if optics.lens:
        light = _through(light, optics.lens, frame_deg=optics.frame_deg)
    if optics.field_deg:
        light = field.equal_angles(light, field_deg=optics.frame_deg)
    if optics.eyes:
        whole = optics.field_deg.value if optics.field_deg else 180.0
        light = field.sideways(light, overlap=min(1.0, optics.eyes.binocular_deg / whole))
    if optics.acuity_cpd:
        light = acuity.blur(light, acuity_cpd=optics.acuity_cpd.value, field_deg=optics.frame_deg)
    if optics.facets_deg:
        light = facets.raster(light, angle_deg=optics.facets_deg.value, field_deg=optics.frame_deg)
    return light


def _understood(light: torch.Tensor, optics: Optics, *, first: int, adapted_to: float) -> torch.Tensor:
    """Steps 5 and 6."""
    warm = light
    if optics.threshold:
        light = low_light.gather(light, threshold=optics.threshold.value, adapted_to=adapted_to)
    if optics.peaks_nm:
        light = receptors.project(light, peaks_nm=optics.peaks_nm.values)
    if optics.deficiency:
        light = deficiency.confuse(light, kind=optics.deficiency.kind, severity=optics.deficiency.severity)
    if optics.saturation:
        grey = luminance(light)
        light = grey + optics.saturation.value * (light - grey)
    if optics.threshold:
        light = low_light.pale(light, threshold=optics.threshold.value)
        light = low_light.grain(light, threshold=optics.threshold.value, first=NOISE_SEED + first)
    if optics.contrast:
        around = acuity.gaussian(light, sigma_px=NEAR_DEG * light.shape[2] / optics.frame_deg)
        light = around + optics.contrast.value * (light - around)
    if optics.scotoma:
        light = _blinded(light, radius_deg=optics.scotoma.radius_deg, frame_deg=optics.frame_deg)
    if optics.heat:
        light = _warmed(light, warm, optics.heat, frame_deg=optics.frame_deg)
    if optics.field_deg and not optics.eyes:
        light = field.vignette(light, field_deg=optics.frame_deg, eye_deg=optics.field_deg.value)
    return to_display(light)


def _through(light: torch.Tensor, lens: Lens, *, frame_deg: float) -> torch.Tensor:
    passed = light * torch.tensor(lens.passes, dtype=light.dtype, device=light.device)
    if not lens.veil:
        return passed
    scattered = acuity.gaussian(passed, sigma_px=VEIL_DEG * light.shape[2] / frame_deg)
    return passed + lens.veil * (scattered - passed)


def _blinded(light: torch.Tensor, *, radius_deg: float, frame_deg: float) -> torch.Tensor:
    height, width = light.shape[1:3]
    across = (torch.arange(width, dtype=light.dtype, device=light.device) + 0.5 - width / 2) * frame_deg / width
    down = (torch.arange(height, dtype=light.dtype, device=light.device) + 0.5 - height / 2) * frame_deg / width
    away = (across.square() + down.unsqueeze(1).square()).sqrt() / radius_deg
    blind = (1 - ((away - (1 - SOFT)) / (2 * SOFT)).clamp(0, 1)).view(1, height, width, 1)
    return light + blind.square() * (BLIND - light)


def _warmed(light: torch.Tensor, warm: torch.Tensor, heat: Heat, *, frame_deg: float) -> torch.Tensor:
    """False colour: bright and red counts as warm, blurred to what the organ resolves."""
    warmth = (0.35 * luminance(warm) + 0.65 * (warm[..., :1] - 0.5 * warm[..., 2:]).clamp(min=0)).clamp(0, 1).sqrt()
    warmth = acuity.blur(warmth, acuity_cpd=heat.acuity_cpd, field_deg=frame_deg).clamp(0, 1)
    scale = torch.tensor(COLD_TO_HOT, dtype=light.dtype, device=light.device)
    place = warmth * (len(scale) - 1)
    below = place.floor().clamp(max=len(scale) - 2)
    colour = torch.lerp(scale[below.long().squeeze(-1)], scale[below.long().squeeze(-1) + 1], place - below)
    return light + heat.share * (colour - light)
