"""The pocket model's pipeline: a prompt becomes a short video, on a CPU, in seconds.

Rectified flow over the latents of `PocketAutoencoder`. A small Wan transformer says the latents without their noise. It
reads what a small T5 encoder answers to the questions that its tokenizer puts before every prompt, and, beside the
latents, where in the clip each of them lies: its attention knows distances alone, and in pure noise there is nothing
else to tell the sky from the ground by. The classes are those of production models wherever one fits, so the way from
a prompt to frames is theirs too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from transformers import PreTrainedTokenizerFast, T5EncoderModel  # noqa: TC002 - diffusers reads the signature

from gpu_job.pocket.autoencoder import GROUP_FRAMES, PocketAutoencoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Waves along each axis that say where a latent lies; each place of up to nine differs in them from every other.
WAVES = 7
PLACE_CHANNELS = 3 * WAVES


@dataclass
class PocketPipelineOutput(BaseOutput):
    """What the pipeline returns."""

    frames: torch.Tensor
    """``(N, T, 3, H, W)`` in [0, 1], or latents ``(N, C, t, h, w)``."""


class PocketPipeline(DiffusionPipeline):
    """Text to video.

    Args:
        height: of the pictures it was trained on, in pixels.
        width: of the same.
        num_frames: of the clips it was trained on.
        text_length: tokens that the text encoder reads; of a longer prompt the middle is left out.
        questions: tokens that the tokenizer puts first, whose states the transformer reads.
    """

    model_cpu_offload_seq = "text_encoder->transformer->vae"
    _callback_tensor_inputs = ("latents",)

    def __init__(  # noqa: PLR0917 - as diffusers calls it
        self,
        tokenizer: PreTrainedTokenizerFast,
        text_encoder: T5EncoderModel,
        transformer: WanTransformer3DModel,
        vae: PocketAutoencoder,
        scheduler: FlowMatchEulerDiscreteScheduler,
        height: int = 128,
        width: int = 128,
        num_frames: int = 17,
        text_length: int = 64,
        questions: int = 6,
    ) -> None:
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer, text_encoder=text_encoder, transformer=transformer, vae=vae, scheduler=scheduler
        )
        self.register_to_config(
            height=height,
            width=width,
            num_frames=num_frames,
            text_length=text_length,
            questions=questions,
        )

    def encode_prompt(self, prompts: Sequence[str]) -> torch.Tensor:
        """What the transformer reads of prompts: ``(N, questions, d)``."""
        length = self.config.text_length
        ids = torch.full((len(prompts), length), self.tokenizer.pad_token_id)
        for row, prompt in zip(ids, prompts, strict=True):
            tokens = shortened(self.tokenizer(prompt).input_ids, length)
            row[: len(tokens)] = torch.tensor(tokens)
        return states_of(
            self.text_encoder,
            ids.to(self._execution_device),
            pad_token_id=self.tokenizer.pad_token_id,
            count=self.config.questions,
        )

    @torch.no_grad()
    def __call__(  # noqa: PLR0917 - as every pipeline of diffusers is called
        self,
        prompt: str | list[str],
        negative_prompt: str | None = None,
        height: int | None = None,
        width: int | None = None,
        num_frames: int | None = None,
        num_inference_steps: int = 8,
        guidance_scale: float = 1.0,
        generator: torch.Generator | None = None,
        latents: torch.Tensor | None = None,
        output_type: str = "pt",
        callback_on_step_end: Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]] | None = None,
    ) -> PocketPipelineOutput:
        """Draw a clip for each prompt.

        Args:
            prompt: any text; words that training has not seen count for nothing.
            negative_prompt: what to stay away from, where there is guidance.
            height: what it was trained on when absent; multiples of a token near it may do.
            width: see there.
            num_frames: one more than a multiple of 4.
            num_inference_steps: more is finer, up to some twenty; a distilled model needs its own number.
            guidance_scale: how strictly the prompt is followed; 1 is off, and enough where distillation took it in.
            generator: the source of the noise.
            latents: noise to begin with, instead of the generator's.
            output_type: ``pt``, or ``latent`` for what is not decoded yet.
            callback_on_step_end: hears of each step's end; may raise to stop the work.

        Raises:
            ValueError: there is no such size or length.
        """
        height, width = height or self.config.height, width or self.config.width
        num_frames = num_frames or self.config.num_frames
        size = self.vae.config.patch_size * self.transformer.config.patch_size[1]
        if height % size or width % size or min(height, width) < size:
            raise ValueError(f"Width and height must be multiples of {size}, not {width}x{height}.")
        if (num_frames - 1) % GROUP_FRAMES or num_frames <= GROUP_FRAMES:
            raise ValueError(f"The number of frames must be one more than a multiple of {GROUP_FRAMES}.")

        # 1. Read the prompts
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        texts = self.encode_prompt(prompts)
        is_guided = guidance_scale > 1
        if is_guided:
            texts = torch.cat([self.encode_prompt([negative_prompt or ""] * len(prompts)), texts])

        # 2. Begin with noise
        device, dtype = self._execution_device, self.transformer.dtype
        shape = (
            len(prompts),
            self.vae.config.latent_channels,
            1 + (num_frames - 1) // GROUP_FRAMES,
            height // self.vae.config.patch_size,
            width // self.vae.config.patch_size,
        )
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)

        # 3. Denoise
        set_times(self.scheduler, num_inference_steps, device=device)
        level = 1.0 / self.scheduler.config.num_train_timesteps
        with self.progress_bar(total=num_inference_steps) as bar:
            for number, time in enumerate(self.scheduler.timesteps):
                given = torch.cat([latents, latents]) if is_guided else latents
                with self.transformer.cache_context("both"):  # for a recipe's cache of steps
                    clean = self.transformer(
                        hidden_states=placed(given).to(dtype),
                        timestep=time.expand(len(given)),
                        encoder_hidden_states=texts.to(dtype),
                        return_dict=False,
                    )[0].float()
                if is_guided:
                    without, with_text = clean.chunk(2)
                    clean = without + guidance_scale * (with_text - without)
                velocity = (latents - clean) / (float(time) * level)
                latents = self.scheduler.step(velocity, time, latents, return_dict=False)[0]
                if callback_on_step_end is not None:
                    latents = callback_on_step_end(self, number, time, {"latents": latents}).pop("latents", latents)
                bar.update()

        # 4. Decode
        frames = latents if output_type == "latent" else as_frames(self.vae.decode(latents.to(self.vae.dtype)))
        self.maybe_free_model_hooks()
        return PocketPipelineOutput(frames=frames)


def as_frames(video: torch.Tensor) -> torch.Tensor:
    """A video ``(N, 3, T, H, W)`` in [-1, 1] as frames ``(N, T, 3, H, W)`` in [0, 1]."""
    return (video.float() / 2 + 0.5).clamp(0, 1).transpose(1, 2)


def shortened(tokens: list[int], length: int) -> list[int]:
    """The tokens without their middle, where there are too many: who sees stands first, light and weather last."""
    if len(tokens) <= length:
        return tokens
    head = 2 * length // 3
    return tokens[:head] + tokens[head - length :]


def states_of(text_encoder: T5EncoderModel, ids: torch.Tensor, *, pad_token_id: int, count: int) -> torch.Tensor:
    """The encoder's states ``(N, count, d)`` of the first of all tokens ``(N, L)``, having read them all."""
    mask = (ids != pad_token_id).long()
    states: torch.Tensor = text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    return states[:, :count]


def set_times(scheduler: FlowMatchEulerDiscreteScheduler, steps: int, *, device: torch.device | None = None) -> None:
    """Have the scheduler visit evenly spaced times, before its shift, so that four of sixteen are the times of four."""
    scheduler.set_timesteps(sigmas=[1 - number / steps for number in range(steps)], device=device)


def placed(latents: torch.Tensor) -> torch.Tensor:
    """Latents ``(N, C, t, h, w)`` and where they lie: ``(N, C + PLACE_CHANNELS, t, h, w)``, waves along each axis."""
    size = latents.shape[2:]
    waves = []
    for axis, length in enumerate(size):
        middles = (torch.arange(length, device=latents.device) + 0.5) / length
        for number in range(1, WAVES + 1):
            shape = [1, 1, 1, 1, 1]
            shape[2 + axis] = length
            wave = torch.cos(torch.pi * number * middles).to(latents.dtype).view(shape)
            waves.append(wave.expand(len(latents), 1, *size))
    return torch.cat([latents, *waves], dim=1)
