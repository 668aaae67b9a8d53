"""Recipes: what makes a model's pipeline faster. Enters: a model's table ``[recipe]``. Leaves: a validated `Recipe`.

`gpu_job.acceleration` applies it. Each lever is off unless a model says otherwise, and a model may say so once the gain
was measured on a GPU: see `shared.models.Model.gains`. A recipe changes bits, so it is part of the render key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Attention kernels that give pictures which can't be told from those of torch's own, by diffusers' names. Those that
#: compute in 8 bits, and those that are downloaded while the worker runs, are not among them.
Attention = Literal["_flash_3", "_native_cudnn", "flash", "_native_flash", "_native_efficient", "_native_math"]
Lever = Literal["fp8_weights", "attention", "compile", "step_cache", "channels_last", "fused_norms"]


class Recipe(BaseModel):
    """The levers of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    fp8_weights: bool = False
    """Keep the denoiser's weights in 8 bits: half the memory, more time. Changes pictures visibly."""
    attention: tuple[Attention, ...] = ()
    """Attention kernels in order of preference; the first that the machine has is used."""
    compile: bool = False
    """Compile the denoiser's repeated blocks. The first clip of each size waits for it."""
    step_cache: Annotated[float, Field(gt=0, le=1)] | None = None
    """Repeat what the denoiser's later blocks did, where its first does nearly the same as in the step before: up to
    this mean difference. Changes pictures visibly; useless below some eight steps."""
    channels_last: bool = False
    """Lay the autoencoder's weights out as the convolutions of tensor cores read them."""
    fused_norms: bool = False
    """Make one kernel of each norm of Wan's decoder and what follows it. The first clip waits for it."""

    @property
    def levers(self) -> dict[str, Any]:
        """Those that are on, with what they are set to."""
        return self.model_dump(mode="json", exclude_defaults=True)
