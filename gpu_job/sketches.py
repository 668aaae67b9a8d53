"""Sketches: rough pictures of clips that are still being drawn. Enters: a denoising step. Leaves: a small soft frame.

A step's prediction of the clean latents is turned into colours by one matrix, which costs a thousandth of decoding. The
matrix is fitted to an autoencoder once, by having it encode a picture of soft patches of colour: least squares from
latents to the picture's colours, as in the known tables for Stable Diffusion, but for any autoencoder that comes with
its encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    CogVideoXPipeline,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    UniPCMultistepScheduler,
)
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from gpu_job.memory import call_up
from gpu_job.pocket.autoencoder import PocketAutoencoder

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from shared.requests import RenderSpec

#: Schedulers whose samples are ``sqrt(a) clean + sqrt(1 - a) noise``, with ``a`` of ``alphas_cumprod``.
VARIANCE_PRESERVING = (
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    LCMScheduler,
    UniPCMultistepScheduler,
)
#: Of the picture that a matrix is fitted to: patches of colour along each edge,
PATCHES = 12
#: latents along each edge, of an autoencoder that makes 16 pixels one latent or fewer,
LATENTS = 32
#: and frames: after the first, one group of each autoencoder that there is.
STILL_FRAMES = 9
#: Keeps the matrix of an autoencoder with more channels than the picture can tell apart in bounds.
RIDGE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Step:
    """A denoising step, as its scheduler was told."""

    model_output: torch.Tensor
    timestep: torch.Tensor
    sample: torch.Tensor


def clean_latents(step: Step, scheduler: Any) -> torch.Tensor | None:  # noqa: ANN401 - one of diffusers
    """What the model takes for the latents without their noise; None where the scheduler's way is not known."""
    output: torch.Tensor = step.model_output.float()
    sample: torch.Tensor = step.sample.float()
    kind = scheduler.config.get("prediction_type", "flow_prediction")
    if kind == "sample":
        return output
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler) or kind == "flow_prediction":
        return sample - float(step.timestep) / float(scheduler.config.num_train_timesteps) * output
    if not isinstance(scheduler, VARIANCE_PRESERVING):
        return None
    share = float(scheduler.alphas_cumprod[int(step.timestep)])
    signal, noise = share**0.5, (1 - share) ** 0.5
    if kind == "epsilon" and signal:
        sample = (sample - noise * output) / signal
    elif kind == "v_prediction":
        sample = signal * sample - noise * output
    else:
        return None
    return sample


class Sketcher:
    """Draws sketches for one loaded pipeline; its matrix is fitted at the first."""

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self._pipe = pipe
        self._matrix: torch.Tensor | None = None

    @torch.no_grad()
    def sketch(self, step: Step, spec: RenderSpec) -> torch.Tensor | None:
        """The clip's middle ``(h, w, 3)`` in [0, 1], on the CPU; None where this pipeline has none."""
        pipe = self._pipe
        vae = getattr(pipe, "vae", None)
        if vae is None or getattr(vae, "use_tiling", False):  # no more memory than there must be
            return None
        if self._matrix is None and vae.device.type == "meta":  # its layers wait one by one
            return None
        latents = clean_latents(step, pipe.scheduler)
        if latents is None:
            return None
        if isinstance(vae, PocketAutoencoder):
            video = vae.project_back(latents.to(vae.dtype))[0]  # (3, T, H, W)
            picture = video[:, video.shape[1] // 2].movedim(0, -1)
        else:
            clip = _clip(pipe, latents, spec)
            if clip is None:
                return None
            if self._matrix is None:
                self._matrix = fitted_matrix(vae)
            middle = clip[len(clip) // 2].movedim(0, -1)  # (h, w, C)
            picture = F.pad(middle, (0, 1), value=1.0) @ self._matrix.to(middle)
        shown: torch.Tensor = (picture.float() / 2 + 0.5).clamp(0, 1)
        return shown.cpu()


def _clip(pipe: DiffusionPipeline, latents: torch.Tensor, spec: RenderSpec) -> torch.Tensor | None:
    """Latents as a scheduler gets them, as ``(T, C, h, w)``."""
    if latents.ndim == 4:  # noqa: PLR2004 - the frames are its batch
        return latents
    if latents.ndim == 5:  # noqa: PLR2004
        clip: torch.Tensor = latents[0]
        return clip if isinstance(pipe, CogVideoXPipeline) else clip.transpose(0, 1)
    if hasattr(pipe, "_unpack_latents") and hasattr(pipe, "vae_temporal_compression_ratio"):  # LTX
        size = (
            (spec.frames - 1) // pipe.vae_temporal_compression_ratio + 1,
            spec.height // pipe.vae_spatial_compression_ratio,
            spec.width // pipe.vae_spatial_compression_ratio,
        )
        patches = pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size
        unpacked: torch.Tensor = pipe._unpack_latents(latents, *size, *patches)  # noqa: SLF001
        return unpacked[0].transpose(0, 1)
    return None


@torch.no_grad()
def fitted_matrix(vae: Any) -> torch.Tensor:  # noqa: ANN401 - an autoencoder of diffusers
    """``(C + 1, 3)``: a latent and a one, times this, is a colour in [-1, 1]."""
    call_up(vae)
    ratio = getattr(vae, "spatial_compression_ratio", 8)
    edge = LATENTS * min(16, ratio)
    patches = torch.rand(1, 3, PATCHES, PATCHES, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = F.interpolate(patches, size=(edge, edge), mode="bicubic").clamp(-1, 1)
    given = picture.to(vae.device, vae.dtype)
    is_of_video = any(isinstance(layer, torch.nn.Conv3d) for layer in vae.modules())
    if is_of_video:
        given = given[:, :, None].expand(-1, -1, STILL_FRAMES, -1, -1)
    latents = normalised(vae, vae.encode(given).latent_dist.mode().float().cpu())
    if is_of_video:
        latents = latents[:, :, -1]
    height, width = latents.shape[-2:]
    colours = F.adaptive_avg_pool2d(picture, (height, width)).flatten(2)[0].T.double()  # (n, 3)
    known = F.pad(latents.flatten(2)[0].T.double(), (0, 1), value=1.0)  # (n, C + 1)
    weighed = known.T @ known
    damped = weighed + RIDGE * len(known) * torch.eye(len(weighed), dtype=torch.float64)
    matrix: torch.Tensor = torch.linalg.solve(damped, known.T @ colours)
    return matrix.float()


def normalised(vae: Any, latents: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Latents ``(1, C, ...)`` of the autoencoder as its pipeline's model knows them."""
    config = vae.config
    kept = dict(vae.named_buffers())  # LTX has them here
    mean, std = (kept.get(name, config.get(name)) for name in ("latents_mean", "latents_std"))
    if mean is None or std is None:
        scaled: torch.Tensor = (latents - (config.get("shift_factor") or 0.0)) * config.get("scaling_factor", 1.0)
        return scaled
    shape = (1, -1, *[1] * (latents.ndim - 2))
    mean, std = (torch.as_tensor(each).float().cpu().view(shape) for each in (mean, std))
    normal: torch.Tensor = (latents - mean) * config.get("scaling_factor", 1.0) / std
    return normal
