"""Models: what can render. Enters: ``catalogue/models/*.toml``. Leaves: validated, frozen entries.

Nothing here imports torch: the API validates a request against these figures without it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.catalogue import Entry, load
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


class Model(Entry):
    """A text-to-video model that diffusers can load."""

    source: str
    """Hub id (``owner/name``), or the name of a folder under the worker's ``MODELS_DIR``."""
    revision: str
    """Hub revision, or the version of the folder's recipe."""
    pipeline_class: str
    """Class of the diffusers pipeline, for the reader and for tests."""
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

    @model_validator(mode="after")
    def _gains_are_measured(self) -> Self:
        if unmeasured := ", ".join(lever for lever in self.recipe.levers if lever not in self.gains):
            raise PydanticCustomError("unmeasured", "has no measured gain for {levers}", {"levers": unmeasured})
        return self


@cache
def models() -> Mapping[str, Model]:
    """The catalogue by id."""
    return load("models", Model)
