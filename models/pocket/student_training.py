"""Distillation: the denoiser learns to reach in one step, without guidance, where it got in several with it.

Progressive distillation (Salimans & Ho 2022) in one round, with guidance taken in (Meng 2023): from a noisy clip at one
of the few times that the student will know, the teacher walks on to the next in small guided steps. What the student
must say there is the clip that leads it to the same end at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.denoiser import Denoiser, Optimizers
from models.pocket.learning import learn, quickened, rate_factor
from models.pocket.text_training import SAYINGS, tokens_of
from models.pocket.walks import mixed, times_of, walked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from models.pocket.learning import Batch
    from models.pocket.recipe import Recipe

#: Of the random numbers: none that the teacher learned with.
USE = 7


def train_student(
    teacher: Denoiser,
    latents: torch.Tensor,
    sayings: torch.Tensor,
    *,
    teacher_step: int,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    is_over: Callable[[], bool],
) -> Denoiser:
    """Train, on from the last checkpoint of a student of this teacher.

    ``teacher_step`` is how far the teacher is; for the rest see `models.pocket.denoiser_training.train_denoiser`.
    """
    part = recipe.student
    student = Denoiser(recipe=recipe, text_encoder=teacher.text_encoder).to(device)
    student.transformer.load_state_dict(teacher.transformer.state_dict())
    quickened(teacher, device)
    times = times_of(part.steps_to_draw * part.teacher_steps).to(device)
    nothing = tokens_of(tokenizer, [""] * part.batch, recipe.text.length).to(device)

    def batch(step: int) -> Batch:
        rng = np.random.default_rng((recipe.seed, USE, step))
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        chosen = torch.from_numpy(rng.integers(len(latents), size=part.batch))
        ids = sayings[chosen, torch.from_numpy(rng.integers(SAYINGS, size=part.batch))]
        first = part.teacher_steps * torch.randint(
            part.steps_to_draw, (part.batch,), generator=generator, device=device
        )
        start = times[first]
        clips = latents[chosen.to(latents.device)].to(device).float()
        noisy = mixed(clips, torch.randn(clips.shape, generator=generator, device=device), start)
        end = walked(
            teacher,
            noisy,
            (ids, nothing),
            guidance=part.teacher_guidance,
            times=[times[first + number] for number in range(part.teacher_steps + 1)],
        )
        target = led_to(noisy, end, start, times[first + part.teacher_steps])
        by_clip = start.view(-1, 1, 1, 1, 1)
        return target, ids, (noisy - (1 - by_clip) * target) / by_clip, start

    return learn(
        student,
        name="student",
        steps=part.steps,
        optimizers=Optimizers.of(student, muon_rate=part.learning_rate * 10, adam_rate=part.learning_rate),
        average_decay=part.average,
        rate=lambda step: rate_factor(step, part.steps, 20, 0.3),
        batch=batch,
        folder=folder,
        device=device,
        is_over=is_over,
        began_as=teacher_step,
    )


def led_to(noisy: torch.Tensor, end: torch.Tensor, start: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    """The clip that, said at ``start``, leads in one step to ``end`` at the time ``then``."""
    return noisy - (start / (then - start)).view(-1, 1, 1, 1, 1) * (end - noisy)
