"""The recipe: what one training has other than another. Enters: a TOML file beside this one. Leaves: `Recipe`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Where the recipes lie.
RECIPES = Path(__file__).parent / "recipes"
#: Where the trained model lies.
WEIGHTS = Path(__file__).parents[1] / "weights" / "pocket"

#: Frames of every group of the autoencoder but the first.
GROUP_FRAMES = 4

Positive = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ClipShape(_Part):
    """What is painted and drawn."""

    width: Positive
    height: Positive
    frames: Positive
    fps: Positive
    supersampling: Positive
    """Rays a pixel and direction."""
    layouts: Positive
    """Ways to furnish a place."""


class AutoencoderRecipe(_Part):
    """How clips become latents and come back."""

    latent_channels: Positive
    patch_size: Positive
    whitening: float
    fit_clips: Positive
    """Clips that the principal components are found on."""


class TextRecipe(_Part):
    """How a prompt becomes what the denoiser reads."""

    captions: Positive
    """That the tokenizer takes its words from."""
    size: Positive
    """Width of the states."""
    layers: Positive
    length: Positive
    """Tokens of a prompt."""
    batch: Positive
    steps: Positive
    learning_rate: float
    keyword_captions: float
    """Part of the captions that are lists of keywords."""
    empty_captions: float
    """Part of the captions that are left out, so that guidance has something to lead away from."""


class DenoiserRecipe(_Part):
    """How a prompt and noise become latents."""

    clips: Positive
    """Clips painted for it; kept as latents."""
    supersampling: Positive
    """Of these: the components that are kept see little of finer edges, and one ray a pixel is four times as fast."""
    patch_size: Positive
    """Edge of the squares of latents that are one token."""
    heads: Positive
    head_size: Positive
    layers: Positive
    feed_forward: Positive
    batch: Positive
    steps: Positive
    muon_learning_rate: float
    """Of the matrices inside the transformer's blocks."""
    adam_learning_rate: float
    """Of everything else."""
    warm_up_steps: Positive
    decay_from: Annotated[float, Field(gt=0, lt=1)]
    """The learning rate falls to nothing from this part of all steps on."""
    average: Annotated[float, Field(gt=0, lt=1)]
    """Decay of the running average of the weights, which is what is kept."""
    log_ratio: float
    """Mean of the logarithm of signal to noise that training draws: low where contents are decided, higher for details;
    see `models.pocket.denoiser.drawn_times`."""


class StudentRecipe(_Part):
    """How the denoiser learns to need few steps."""

    steps_to_draw: Positive
    """That the student needs for a clip."""
    teacher_steps: Positive
    """That the teacher takes for each of them."""
    teacher_guidance: float
    steps: Positive
    batch: Positive
    learning_rate: float
    average: Annotated[float, Field(gt=0, lt=1)]
    """See `DenoiserRecipe.average`."""


class Recipe(_Part):
    """All of it."""

    seed: int
    """Of weights, scenes, captions, noise."""
    clip: ClipShape
    autoencoder: AutoencoderRecipe
    text: TextRecipe
    denoiser: DenoiserRecipe
    student: StudentRecipe

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Refuse geometry that would fail hours later."""
        edge = self.autoencoder.patch_size
        token = edge * self.denoiser.patch_size
        if self.clip.width % token or self.clip.height % token:
            msg = f"clip: width and height must be multiples of {token} (a patch of the autoencoder by one of latents)"
            raise ValueError(msg)
        if self.clip.frames % GROUP_FRAMES != 1:
            msg = f"clip: frames must be one more than a multiple of {GROUP_FRAMES}"
            raise ValueError(msg)
        return self


def read_recipe(name: str) -> Recipe:
    """The recipe of that name (``cpu``, ``gpu``, ``tiny``).

    Raises:
        FileNotFoundError: there is none.
        pydantic.ValidationError: it is faulty.
    """
    with (RECIPES / f"{name}.toml").open("rb") as file:
        return Recipe.model_validate(tomllib.load(file))
