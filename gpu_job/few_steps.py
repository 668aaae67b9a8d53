"""Sampling in few steps. Enters: the noise levels that a distilled model learned. Leaves: a scheduler of exactly these.

Pipelines compute levels of their own from a number of steps; a distilled model knows only those that it was taught.
With fresh noise it is distribution matching distillation (Yin et al. 2024, arXiv:2405.14867, eq. 1): the whole clip is
guessed, and noise of the next level is mixed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffusers import FlowMatchEulerDiscreteScheduler

if TYPE_CHECKING:
    import torch

    from shared.models import Sampler


class FewStepScheduler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]  # diffusers has no types
    """Takes the place of a pipeline's scheduler, whatever number of steps that asks for."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__(shift=1.0, stochastic_sampling=sampler.fresh_noise)
        self._levels = list(sampler.sigmas)
        #: Where fresh noise comes from: the generator that drew the first noise, so that each seed has its own.
        self.generator: torch.Generator | None = None

    def set_timesteps(
        self,
        _steps: int | None = None,
        device: str | torch.device | None = None,
        sigmas: object = None,  # noqa: ARG002 - pipelines look whether they may be given
        mu: object = None,  # noqa: ARG002
    ) -> None:
        """Begin a clip, at the model's own levels whatever is asked for."""
        super().set_timesteps(sigmas=self._levels, device=device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,  # noqa: FBT001, FBT002 - as diffusers has it
    ) -> Any:  # noqa: ANN401 - a tuple, or a class of diffusers'
        """One step; few pipelines hand over their generator."""
        generator = generator or self.generator
        return super().step(model_output, timestep, sample, generator=generator, return_dict=return_dict)
