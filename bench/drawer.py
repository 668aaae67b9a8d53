"""Drawing on a device with weights that are made there. Enters: an architecture. Leaves: seconds, and likenesses.

Weights are always the same, and so is the noise. A lever is put on a part that was made anew. Weights that never
learned draw faint pictures, so besides PSNR and SSIM there is the error in parts of what varies in the plain clip:
0.01 is a hundredth.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final

import torch

from bench.ceilings import seconds
from bench.likeness import psnr, ssim
from gpu_job.wan_decoder import wan_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.architectures import Architecture

    #: What was put on, and what not, with the reason.
    Levers = Mapping[str, object]

#: Latents that are decoded to see what a denoiser's lever did, and to warm up a decoder: one frame, and four for each.
LATENTS_SEEN: Final = 5
#: Tokens of a prompt, padded as Wan pads it.
PROMPT_TOKENS: Final = 512
GIB: Final = 2**30


class Drawer:
    """A pipeline on a device, the clip that it draws, and how it drew it plainly."""

    def __init__(self, architecture: Architecture, device: torch.device) -> None:
        self.device = device
        self.pipe = architecture.pipeline_without_reader(device.type)
        self.pipe.set_progress_bar_config(disable=True)
        self.size(architecture)

    def size(self, architecture: Architecture) -> None:
        """Draw a clip of this size from now on; nothing is drawn plainly yet."""
        self.architecture = architecture
        vae = self.pipe.vae
        shape = (
            vae.config.z_dim,
            (architecture.frames - 1) // self.pipe.vae_scale_factor_temporal + 1,
            architecture.height // self.pipe.vae_scale_factor_spatial,
            architecture.width // self.pipe.vae_scale_factor_spatial,
        )
        dice = torch.Generator().manual_seed(1)
        self.noise = torch.randn(1, *shape, generator=dice).to(self.device)
        words = torch.randn(1, PROMPT_TOKENS, self.pipe.transformer.config.text_dim, generator=dice)
        self.words = words.to(self.device, architecture.dtype)
        self.latents = self.noise
        self.frames: torch.Tensor | None = None
        self.plain: dict[str, float] = {}

    @property
    def tokens(self) -> int:
        """That the denoiser attends to."""
        _, _, frames, height, width = self.noise.shape
        return frames * height * width // 4

    def free(self) -> None:
        """Have nothing left of what was before, and count memory anew."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def memory(self) -> dict[str, float]:
        """GiB of the GPU, at the most since `free`."""
        return {"peak_gib": torch.cuda.max_memory_allocated(self.device) / GIB} if self.device.type == "cuda" else {}

    def renew_denoiser(self) -> None:
        """Without any lever."""
        self.pipe.transformer = None
        self.free()
        self.pipe.transformer = self.architecture.denoiser(self.device.type)

    def renew_autoencoder(self) -> None:
        """Without any lever."""
        self.pipe.vae = None
        self.free()
        self.pipe.vae = self.architecture.autoencoder(self.device.type)
        torch.backends.cudnn.benchmark = False

    def denoised(self, steps: int | None = None) -> torch.Tensor:
        """Latents."""
        latents: torch.Tensor = self.pipe(
            prompt_embeds=self.words,
            latents=self.noise.clone(),
            width=self.architecture.width,
            height=self.architecture.height,
            num_frames=self.architecture.frames,
            num_inference_steps=steps or self.architecture.steps,
            guidance_scale=1.0,
            output_type="latent",
        ).frames
        return latents

    def decoded(self, latents: torch.Tensor, *, to_host: bool = False) -> torch.Tensor:
        """Frames ``(T, H, W, 3)``, group by group as a job does it."""
        groups = (group.permute(0, 2, 3, 1).float().contiguous() for group in wan_groups(self.pipe, latents[0]))
        return torch.cat([group.cpu() if to_host else group for group in groups])

    @torch.no_grad()
    def decoded_at_once(self, latents: torch.Tensor) -> torch.Tensor:
        """What the pipeline's own end does; as it comes from the autoencoder."""
        vae = self.pipe.vae
        mean, std = (
            torch.tensor(each).view(1, -1, 1, 1, 1).to(latents)
            for each in (vae.config.latents_mean, vae.config.latents_std)
        )
        video: torch.Tensor = vae.decode((latents * std + mean).to(vae.dtype), return_dict=False)[0]
        return video

    def draw(self, prepare: Callable[[], Levers], *, is_plain: bool = False, runs: int = 2) -> dict[str, Any]:
        """Denoise with what was prepared: seconds, gain, and how alike the first frames are to the plain ones."""
        levers = prepare()
        self.free()
        first_s, _ = seconds(lambda: self.denoised(1), self.device, runs=1, warm=False)
        taken, latents = seconds(self.denoised, self.device, runs=runs, warm=False)
        figures = {
            "denoise_s": taken,
            "step_s": taken / self.architecture.steps,
            "first_step_s": first_s,
            "levers": levers,
        }
        figures |= self.memory()
        if is_plain:
            self.plain["denoise_s"] = taken
            self.latents = latents
            return figures | {"tokens": self.tokens, "latents_std": float(latents.std())}
        if "denoise_s" not in self.plain:
            return figures
        seen, plain = (self.decoded(each[:, :, :LATENTS_SEEN]) for each in (latents, self.latents))
        return (
            figures
            | {"gain": self.plain["denoise_s"] / taken, "latents_error": _error(latents, self.latents)}
            | _likeness(seen, plain)
        )

    def decode(self, prepare: Callable[[], Levers], *, is_plain: bool = False) -> dict[str, Any]:
        """Decode the plain latents with what was prepared, as `draw` denoises."""
        levers = prepare()
        self.free()
        first_s, _ = seconds(lambda: self.decoded(self.latents[:, :, :LATENTS_SEEN]), self.device, runs=1, warm=False)
        taken, frames = seconds(lambda: self.decoded(self.latents), self.device, runs=1, warm=False)
        figures = {"decode_s": taken, "first_groups_s": first_s, "levers": levers} | self.memory()
        if is_plain:
            self.plain["decode_s"] = taken
            self.frames = frames
            return figures | {"frames_std": float(frames.std())}
        if self.frames is None:
            return figures
        return figures | {"gain": self.plain["decode_s"] / taken} | _likeness(frames, self.frames)


def _error(values: torch.Tensor, plain: torch.Tensor) -> float:
    return float((values.float() - plain.float()).square().mean().sqrt() / plain.float().std().clamp(min=1e-12))


def _likeness(frames: torch.Tensor, plain: torch.Tensor) -> dict[str, float]:
    return {"psnr_db": psnr(frames, plain), "ssim": ssim(frames, plain), "error": _error(frames, plain)}
