"""The second round of the rectified flow: the denoiser learns from its own clips to need few steps and no guidance.

The teacher draws clips with many steps and guidance. The student learns the straight way from the very noise that each
clip was drawn from to that clip, so the ways it learns no longer cross, and few steps follow them (Liu 2022, "reflow").
What guidance did is in the clips, so the student does it without, in half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.checkpoints import Progress
from models.pocket.clips import scene_of
from models.pocket.denoiser import Denoiser, Optimizers
from models.pocket.learning import learn, rate_factor
from models.pocket.scenes.captions import caption
from models.pocket.text_training import tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from gpu_job.pocket.pipeline import PocketPipeline
    from models.pocket.learning import Batch
    from models.pocket.recipe import Recipe

#: Pairs in a file.
SHARD_PAIRS = 512
#: Clips that the teacher draws at once.
DRAWN_AT_ONCE = 32
#: Of the captions that the teacher draws: none that training used.
CAPTIONS = 7


def draw_pairs(folder: Path, *, teacher: PocketPipeline, recipe: Recipe, is_over: Callable[[], bool]) -> bool:
    """Have the teacher draw, as far as it has not yet. False: time was up."""
    part = recipe.student
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress(folder.with_suffix(".jsonl"), steps=part.pairs)
    for start in range(0, part.pairs, SHARD_PAIRS):
        path = folder / f"pairs-{start // SHARD_PAIRS:04d}.npz"
        if path.exists():
            continue
        if is_over():
            return False
        rng = np.random.default_rng((recipe.seed, CAPTIONS, start))
        captions = [caption(scene_of(recipe.seed, start + n, CAPTIONS), rng) for n in range(SHARD_PAIRS)]
        latents = []
        for first in range(0, SHARD_PAIRS, DRAWN_AT_ONCE):
            some = captions[first : first + DRAWN_AT_ONCE]
            drawn = teacher(
                some,
                num_inference_steps=part.teacher_steps,
                guidance_scale=part.teacher_guidance,
                latents=noise_of(recipe, start + first, len(some)),
                output_type="latent",
            ).frames
            latents.append(drawn.half().cpu())
            progress.heard(start + first + len(some), 0.0)
        draft = path.with_suffix(".draft.npz")
        np.savez(draft, latents=torch.cat(latents).numpy(), captions=np.array(captions))
        draft.replace(path)
    return True


def noise_of(recipe: Recipe, first: int, count: int) -> torch.Tensor:
    """The noise that clips ``first`` and following were drawn from: made again where it is needed, not stored."""
    clip, part = recipe.clip, recipe.autoencoder
    shape = (
        part.latent_channels,
        1 + (clip.frames - 1) // 4,
        clip.height // part.patch_size,
        clip.width // part.patch_size,
    )
    return torch.stack(
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(recipe.seed * 1_000_003 + number))
            for number in range(first, first + count)
        ]
    )


def train_student(
    teacher: Denoiser,
    pairs: Path,
    *,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    is_over: Callable[[], bool],
) -> Denoiser:
    """Train, on from the last checkpoint; see `models.pocket.denoiser_training.train_denoiser`."""
    part = recipe.student
    numbers: list[int] = []
    latents, captions = [], []
    for path in sorted(pairs.glob("pairs-[0-9][0-9][0-9][0-9].npz")):
        with np.load(path) as shard:
            first = int(path.stem.removeprefix("pairs-")) * SHARD_PAIRS
            numbers += range(first, first + len(shard["captions"]))
            latents.append(torch.from_numpy(shard["latents"]))
            captions += [str(each) for each in shard["captions"]]
    clips = torch.cat(latents)
    ids = tokens_of(tokenizer, captions, recipe.text.length)
    student = Denoiser(recipe=recipe, text_encoder=teacher.text_encoder).to(device)
    student.transformer.load_state_dict(teacher.transformer.state_dict())

    def batch(step: int) -> Batch:
        rng = np.random.default_rng((recipe.seed, CAPTIONS, step))
        chosen = rng.integers(len(numbers), size=part.batch)
        index = torch.from_numpy(chosen)
        noise = torch.cat([noise_of(recipe, numbers[each], 1) for each in chosen])
        return clips[index].float(), ids[index], noise, torch.from_numpy(rng.random(part.batch, dtype=np.float32))

    return learn(
        student,
        name="student",
        steps=part.steps,
        optimizers=Optimizers.of(student, muon_rate=part.learning_rate * 10, adam_rate=part.learning_rate),
        average_decay=recipe.denoiser.average,
        rate=lambda step: rate_factor(step, part.steps, 100, 0.3),
        batch=batch,
        folder=folder,
        device=device,
        is_over=is_over,
    )
