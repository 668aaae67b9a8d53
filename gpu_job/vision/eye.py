"""The eye: all stages in the order in which light meets them. Enters: frames, `Optics`. Leaves: frames like them.

1. Display values become light.
2. The angles of a camera become those of an eye.
3. A cloudy lens takes its part of the light and veils the rest.
4. What is finer than the eye resolves is lost; of a compound eye, what is finer than a facet.
5. Eyes at the sides of a head see two pictures.
6. What changes too fast runs together.
7. How much light the eye gathers, what its cones make of the colours, what its rods see without colour.
8. Contrast, blind spots, warmth, the edge of the field. Light becomes display values again.

What an `Optics` does not say is off, and frames pass unchanged where all of it is. Nothing is normalised by what a
frame shows: what does not change does not flicker, but for the noise of an eye in the dark. Of a clip a few frames at a
time are in memory as light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gpu_job.vision import acuity, deficiency, facets, field, flicker, heat, lens, low_light, receptors, scotoma
from gpu_job.vision.light import luminance, saturated, to_display, to_linear

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.optics import Optics

#: Pixels in work at a time. A processor is fastest with what its cache holds, one frame at a time; a GPU with many.
PIECE_PX, PIECE_PX_GPU = 2**19, 2**23
#: Linux's C library gives large pieces of memory back to the system at once and gets them anew page by page, which
#: takes as long as the work. It keeps what is no larger than a piece that was freed before, if that had below 32 MiB.
FREED_BYTES = 31 * 2**20
#: Whole field of eyes that look sideways, where none is said.
FULL_CIRCLE_DEG = 360.0
#: A stage with noise draws it for each frame anew, from the frame's number and this.
NOISE_SEED = 20_260
#: Of contrast: what is nearer than this, in degrees, is compared.
NEAR_DEG = 6.0


def see(frames: torch.Tensor, optics: Optics, *, fps: float) -> torch.Tensor:
    """A whole clip through an eye.

    Args:
        frames: ``(T, H, W, 3) float32 in [0, 1]``, display sRGB.
        optics: the eye.
        fps: frames a second.

    Returns:
        The same shape and kind; the very same tensor where the optics say nothing.

    Raises:
        ValueError: no frames, a wrong shape or kind, or values that are no numbers or outside of [0, 1].
    """
    check(frames)
    if not optics.figures:
        return frames
    seen, done = torch.empty_like(frames), 0
    for piece in through([frames], optics, fps=fps):
        seen[done : done + len(piece)] = piece
        done += len(piece)
    return seen


def through(chunks: Iterable[torch.Tensor], optics: Optics, *, fps: float) -> Iterator[torch.Tensor]:
    """A clip through an eye, some frames at a time: chunks ``(n, H, W, 3)`` as of `see`, and such chunks.

    As many frames come out as go in, some later than they went in, and in other pieces.

    Raises:
        ValueError: as of `see`, or frames of different sizes.
    """
    checked = _alike(map(check, chunks))
    if not optics.figures:
        yield from checked
        return
    torch.empty(FREED_BYTES, dtype=torch.uint8)
    light: Iterator[torch.Tensor] = (_focused(piece, optics) for chunk in checked for piece in _pieces(chunk))
    if optics.fusion_hz:
        light = flicker.run_together(light, fusion_hz=optics.fusion_hz.value, fps=fps)
    first, adapted_to = 0, 0.0
    for piece in light:
        if first == 0 and optics.threshold:
            adapted_to = float(luminance(piece[:1]).mean())
        yield _understood(piece, optics, first=first, adapted_to=adapted_to)
        first += len(piece)


def check(frames: torch.Tensor) -> torch.Tensor:
    """The frames themselves, where they are some. Raises `ValueError` where not."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:  # noqa: PLR2004 - (T, H, W, 3)
        msg = f"Frames must be (T, H, W, 3) with something in them, not {tuple(frames.shape)}."
        raise ValueError(msg)
    if frames.dtype != torch.float32:
        msg = f"Frames must be float32, not {frames.dtype}."
        raise ValueError(msg)
    low, high = (float(each) for each in torch.aminmax(frames))
    if low != low:  # noqa: PLR0124 - NaN, which is the least and the most of what holds one
        msg = "Frames hold values that are not numbers."
        raise ValueError(msg)
    if low < 0 or high > 1:
        msg = f"Frames must lie in [0, 1], not in [{low:.3g}, {high:.3g}]."
        raise ValueError(msg)
    return frames


def _alike(chunks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    size: torch.Size | None = None
    for chunk in chunks:
        size = size or chunk.shape[1:]
        if chunk.shape[1:] != size:
            msg = f"Frames of a clip must be alike, not {tuple(size)} and {tuple(chunk.shape[1:])}."
            raise ValueError(msg)
        yield chunk


def _pieces(chunk: torch.Tensor) -> tuple[torch.Tensor, ...]:
    most_px = PIECE_PX if chunk.device.type == "cpu" else PIECE_PX_GPU
    return torch.split(chunk, max(1, most_px // (chunk.shape[1] * chunk.shape[2])))


def _focused(frames: torch.Tensor, optics: Optics) -> torch.Tensor:
    """Steps 1 to 5: display values ``(T, H, W, 3)`` to light ``(T, 3, H, W)``."""
    light = to_linear(frames).permute(0, 3, 1, 2)
    light = field.equal_angles(light, field_deg=optics.frame_deg) if optics.field_deg else light.contiguous()
    if optics.lens:
        light = lens.cloud(light, passes=optics.lens.passes, veil=optics.lens.veil, field_deg=optics.frame_deg)
    if optics.facets_deg:
        light = facets.raster(light, angle_deg=optics.facets_deg.value, field_deg=optics.frame_deg)
    elif optics.acuity_cpd:
        light = acuity.blur(light, acuity_cpd=optics.acuity_cpd.value, field_deg=optics.frame_deg)
    if optics.eyes:
        whole = optics.field_deg.value if optics.field_deg else FULL_CIRCLE_DEG
        light = field.sideways(light, overlap=min(1.0, optics.eyes.binocular_deg / whole))
    return light


def _understood(light: torch.Tensor, optics: Optics, *, first: int, adapted_to: float) -> torch.Tensor:
    """Steps 7 and 8: light ``(T, 3, H, W)`` to display values ``(T, H, W, 3)``."""
    warm = light
    if optics.threshold:
        light = low_light.gather(light, threshold=optics.threshold.value, adapted_to=adapted_to)
    if optics.peaks_nm:
        light = receptors.project(light, peaks_nm=optics.peaks_nm.values)
    if optics.deficiency:
        light = deficiency.confuse(light, kind=optics.deficiency.kind, severity=optics.deficiency.severity)
    if optics.saturation:
        light = saturated(light, optics.saturation.value)
    if optics.threshold:
        light = low_light.pale(light, threshold=optics.threshold.value)
        light = low_light.grain(light, threshold=optics.threshold.value, first=NOISE_SEED + first)
    if optics.contrast:
        around = acuity.gaussian(light, sigma_px=NEAR_DEG * light.shape[3] / optics.frame_deg)
        light = torch.lerp(around, light, optics.contrast.value)
    if optics.scotoma:
        light = scotoma.blind(light, radius_deg=optics.scotoma.radius_deg, field_deg=optics.frame_deg)
    if optics.heat:
        warmth = heat.warmth(warm, acuity_cpd=optics.heat.acuity_cpd, field_deg=optics.frame_deg)
        light = torch.lerp(light, heat.false_colour(warmth), optics.heat.share)
    if optics.field_deg and not optics.eyes:
        light = field.vignette(light, field_deg=optics.frame_deg, eye_deg=optics.field_deg.value)
    return to_display(light.permute(0, 2, 3, 1))
