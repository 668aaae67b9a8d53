"""Models: what can render. Enters: ``catalogue/models/*.toml``. Leaves: validated, frozen entries.

Nothing here imports torch: the API validates a request against these figures without it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.catalogue import Entry, load
from shared.optics import Sourced
from shared.recipes import Lever, Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping


class Size(BaseModel):
    """A picture size in pixels, written ``WIDTHxHEIGHT`` on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Annotated[int, Field(ge=16, le=4096, multiple_of=2)]
    height: Annotated[int, Field(ge=16, le=4096, multiple_of=2)]

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Length(BaseModel):
    """A clip length that the model was made for: what people ask for, and how many frames that is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: Annotated[float, Field(gt=0, le=60)]
    frames: Annotated[int, Field(ge=1, le=1000)]


class Adapter(BaseModel):
    """Weights (LoRA) that are added to a model's own, such as those that make a few steps enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str
    """Hub id, or the name of a folder under the worker's ``MODELS_DIR``."""
    revision: str
    """Hub revision."""
    file: str
    """Name of the file in it."""
    part: Literal["transformer", "transformer_2", "unet"]
    """Part of the pipeline that it is added to."""
    strength: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] = 1.0


class Sampler(BaseModel):
    """How a model that was distilled to a few steps is sampled: along a straight flow, at these noise levels."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sigmas: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1, max_length=100)]
    """Noise level before each step; falls from step to step, and is 0 after the last."""
    fresh_noise: bool = False
    """Between two steps the clip is guessed whole and gets new noise (DMD), instead of losing a part of its noise."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if list(self.sigmas) != sorted(set(self.sigmas), reverse=True):
            msg = "sigmas must fall from step to step"
            raise ValueError(msg)
        return self


class Memory(Sourced):
    """What a model takes of a device's memory, in GB (1e9 bytes), at its ``dtype``."""

    weights_gb: Annotated[float, Field(gt=0)]
    """All parts together."""
    largest_gb: Annotated[float, Field(gt=0)]
    """The largest part: what is needed where the parts take turns and wait in the machine's own memory."""
    clip_gb: Annotated[float, Field(gt=0)]
    """A clip of the first size and length, at its worst moment, on top of the weights."""


class Clip(BaseModel):
    """What one render is to be, as far as memory is concerned."""

    model_config = ConfigDict(frozen=True)

    size: Size
    frames: int

    def __str__(self) -> str:
        return f"{self.size} with {self.frames} frames"

    @property
    def voxels(self) -> int:
        """Pixels of all frames."""
        return self.size.width * self.size.height * self.frames


class Model(Entry):
    """A text-to-video model that diffusers can load."""

    source: str
    """Hub id (``owner/name``), or the name of a folder under the worker's ``MODELS_DIR``."""
    revision: str
    """Hub revision: a commit, so that nobody changes what is drawn; or the version of the folder's recipe."""
    pipeline_class: str
    """Class of the pipeline, of diffusers or our own; it is loaded with this one, whatever its folder says."""
    pipeline_config: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Options of that class that the folder does not tell."""
    adapters: tuple[Adapter, ...] = ()
    """Added when it is loaded."""
    sampler: Sampler | None = None
    """For few-step models; the pipeline's own scheduler when absent."""
    licence: str
    trained: bool
    """False for a model whose pictures are noise."""
    sizes: Annotated[tuple[Size, ...], Field(min_length=1)]
    """Sizes it can do; the first is the default."""
    lengths: Annotated[tuple[Length, ...], Field(min_length=1)]
    """Lengths it can do; the first is the default."""
    fps: Annotated[int, Field(ge=1, le=60)]
    steps: Annotated[int, Field(ge=1, le=200)]
    """Denoising steps."""
    guidance: Annotated[float, Field(ge=0, le=30)]
    """Classifier-free guidance scale; 1 is off."""
    dtype: Literal["float32", "bfloat16", "float16"]
    negative_prompt: str = ""
    recipe: Recipe = Recipe()
    """What makes it faster."""
    gains: Annotated[dict[Lever, str], Field(default_factory=dict)]
    """What each lever of the recipe was measured to gain: the factor, the PSNR of the pictures, the GPU, the date."""
    memory: Memory
    """What it takes."""
    tested_on: tuple[str, ...] = ()
    """Machines that its real weights were run on; empty: nobody has yet."""

    @model_validator(mode="after")
    def _gains_are_measured(self) -> Self:
        if unmeasured := ", ".join(lever for lever in self.recipe.levers if lever not in self.gains):
            raise PydanticCustomError("unmeasured", "has no measured gain for {levers}", {"levers": unmeasured})
        return self

    @model_validator(mode="after")
    def _has_a_noise_level_for_each_step(self) -> Self:
        if self.sampler and len(self.sampler.sigmas) != self.steps:
            msg = "sampler.sigmas must hold one for each of the steps"
            raise ValueError(msg)
        return self

    @property
    def clips(self) -> list[Clip]:
        """Every clip that it can do."""
        return [Clip(size=size, frames=length.frames) for size in self.sizes for length in self.lengths]

    def clip_gb(self, clip: Clip) -> float:
        """What a clip takes on top of the weights, in GB: more pixels and frames take as much more."""
        return self.memory.clip_gb * clip.voxels / self.clips[0].voxels


def in_the_catalogue(served: tuple[str, ...]) -> tuple[str, ...]:
    """The same ids, for the settings of those who serve models.

    Raises:
        ValueError: names those that no file describes.
    """
    unknown = [each for each in served if each not in models()]
    if unknown:
        msg = f"not in the catalogue of models: {', '.join(unknown)}"
        raise ValueError(msg)
    return served


@cache
def models() -> Mapping[str, Model]:
    """The catalogue by id."""
    return load("models", Model)
