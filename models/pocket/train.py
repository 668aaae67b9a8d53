"""Train the pocket model: one command, which goes on where it was interrupted.

    python -m models.pocket.train --work FOLDER --minutes 60 --out models/weights/pocket

It paints clips, finds principal components, trains text encoder and denoiser, has the denoiser teach itself to need few
steps, and writes the model as far as it is. The work folder keeps each part, and sheets of samples in
``samples/``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from gpu_job.pocket.autoencoder import PocketAutoencoder
from models.pocket.assembly import assembled, write_model
from models.pocket.autoencoder_training import fitted, paint_pixels
from models.pocket.checkpoints import progress_of, replaced
from models.pocket.clips import scene_of
from models.pocket.denoiser_training import train_denoiser
from models.pocket.drawing import drawn
from models.pocket.history import BEFORE, HISTORY, write_history
from models.pocket.labels import ATTRIBUTES
from models.pocket.recipe import RECIPES, Recipe, read_recipe
from models.pocket.scenes.captions import caption
from models.pocket.scenes.held_out import held_out_prompts
from models.pocket.shards import paint_shards, read_shards
from models.pocket.sheets import write_sheet
from models.pocket.student_training import train_student
from models.pocket.text_training import sayings_of, train_text
from models.pocket.tokens import make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_job.pocket.pipeline import PocketPipeline
    from models.pocket.denoiser import Denoiser

#: Steps between two sheets of samples.
SAMPLE_EVERY = 1000
#: Clips of a sheet.
SAMPLES = 12
#: What can be trained, in this order.
PARTS = ("paint", "text", "denoiser", "student")


class Training:
    """One run of the command over a work folder.

    Args:
        recipe: the numbers.
        work: the folder.
        device: to train on.
        is_over: whether time is up; asked between steps.
        parts: of `PARTS`, those that learn in this run; the others are taken as far as they are.
        begin_with: folder of an earlier model of this recipe's sizes, whose weights all parts begin with. Its text
            encoder stays as it is.

    Raises:
        ValueError: the work folder has begun with something else.
    """

    def __init__(
        self,
        recipe: Recipe,
        work: Path,
        *,
        device: torch.device,
        is_over: Callable[[], bool],
        parts: tuple[str, ...] = PARTS,
        begin_with: Path | None = None,
    ) -> None:
        self._recipe = recipe
        self._work = work
        self._device = device
        self._is_over = is_over
        self._parts = parts
        if begin_with:
            self._begin_with(begin_with)
        self.tokenizer = self._tokenizer()

    def run(self) -> PocketPipeline | None:
        """Train what shall be trained, in the order of `PARTS`; the pipeline as far as it is, None before there is one.

        Raises:
            ValueError: the folder was begun with a recipe that paints other clips.
        """
        self._remember_recipe()
        autoencoder = self._autoencoder()
        if autoencoder is None:
            return None
        paint_shards(
            self._work / "shards",
            autoencoder=autoencoder,
            recipe=self._recipe,
            device=self._device,
            is_over=self._over("paint"),
        )
        text_encoder = self._text_encoder()
        if not any((self._work / "shards").glob("shard-*.npz")):
            return None
        denoiser, steps, guidance = self._denoiser(autoencoder, text_encoder), 16, 2.0
        if "student" in self._parts:
            write_model(self._work / "teacher", self._assembled(autoencoder, denoiser))
            denoiser, steps, guidance = self._student(denoiser), self._recipe.student.steps_to_draw, 1.0
        pipe = self._assembled(autoencoder, denoiser)
        self._write_samples(pipe, "latest", steps=steps, guidance=guidance)
        return pipe

    def _begin_with(self, folder: Path) -> None:
        if (self._work / "tokenizer").exists():
            msg = f"{self._work} has begun already: name a new folder, or go on without other weights."
            raise ValueError(msg)
        for part, name in (("tokenizer", "tokenizer"), ("vae", "autoencoder"), ("text_encoder", "text_encoder")):
            shutil.copytree(folder / part, self._work / name)
        shutil.copytree(folder / "transformer", self._work / "beginning")
        if (folder / HISTORY).exists():
            shutil.copy(folder / HISTORY, self._work / BEFORE)

    def _text_encoder(self) -> T5EncoderModel:
        """As far as it has learned, or as it was begun with."""
        folder = self._work / "text_encoder"
        if folder.exists():
            begun: T5EncoderModel = T5EncoderModel.from_pretrained(folder, dtype=torch.float32)
            return begun.eval().requires_grad_(requires_grad=False).to(self._device)
        return train_text(
            tokenizer=self.tokenizer,
            recipe=self._recipe,
            folder=self._work,
            device=self._device,
            is_over=self._over("text"),
        )

    def _over(self, part: str) -> Callable[[], bool]:
        """Whether time is up for a part."""
        return self._is_over if part in self._parts else lambda: True

    def _remember_recipe(self) -> None:
        """Refuse to mix clips of two recipes."""
        path = self._work / "painted.json"
        recipe = self._recipe
        fixed = {"patch_size", "latent_channels", "whitening", "fit_clips"}
        painted = {
            "seed": recipe.seed,
            "clip": recipe.clip.model_dump(),
            "autoencoder": recipe.autoencoder.model_dump(include=fixed),
        }
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(painted), encoding="utf-8")
        elif json.loads(path.read_text(encoding="utf-8")) != painted:
            msg = f"{self._work} holds clips of another recipe: name another folder."
            raise ValueError(msg)

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        """Of the words that captions use."""
        folder = self._work / "tokenizer"
        if not folder.exists():
            rng = np.random.default_rng((self._recipe.seed, self._recipe.text.captions))
            scenes = (scene_of(self._recipe.seed, number) for number in range(self._recipe.text.captions))
            with replaced(folder) as draft:
                make_tokenizer((caption(scene, rng) for scene in scenes), tuple(ATTRIBUTES)).save_pretrained(draft)
        return PreTrainedTokenizerFast.from_pretrained(folder)

    def _autoencoder(self) -> PocketAutoencoder | None:
        """With the components found; None where time was up before that."""
        folder = self._work / "autoencoder"
        if not folder.exists():
            pixels = paint_pixels(
                self._work / "pixels", recipe=self._recipe, device=self._device, is_over=self._over("paint")
            )
            if pixels is None:
                return None
            with replaced(folder) as draft:
                fitted(pixels, recipe=self._recipe).save_pretrained(draft)
        autoencoder: PocketAutoencoder = PocketAutoencoder.from_pretrained(
            folder, dtype=torch.float32, low_cpu_mem_usage=False
        )
        return autoencoder.to(self._device)  # type: ignore[no-any-return]

    def _denoiser(self, autoencoder: PocketAutoencoder, text_encoder: T5EncoderModel) -> Denoiser:
        """The average of the weights, as far as they have learned."""

        def sampled(denoiser: Denoiser, step: int) -> None:
            if step % SAMPLE_EVERY == 0:
                pipe = self._assembled(autoencoder, denoiser)
                self._write_samples(pipe, f"denoiser-{step:06d}", steps=16, guidance=2.0)

        return train_denoiser(
            *self._learned_from,
            text_encoder=text_encoder,
            beginning=self._work / "beginning",
            recipe=self._recipe,
            folder=self._work,
            device=self._device,
            is_over=self._over("denoiser"),
            sampled=sampled,
        )

    @cached_property
    def _learned_from(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All latents and what they are said to show, on the device."""
        latents, scenes = read_shards(self._work / "shards")
        sayings = sayings_of(scenes, tokenizer=self.tokenizer, recipe=self._recipe, device=self._device)
        return latents.to(self._device), sayings

    def _student(self, teacher: Denoiser) -> Denoiser:
        """What the denoiser teaches."""
        return train_student(
            teacher,
            *self._learned_from,
            teacher_step=progress_of(self._work / "denoiser.jsonl").step,
            tokenizer=self.tokenizer,
            recipe=self._recipe,
            folder=self._work,
            device=self._device,
            is_over=self._is_over,
        )

    def _assembled(self, autoencoder: PocketAutoencoder, denoiser: Denoiser) -> PocketPipeline:
        return assembled(autoencoder=autoencoder, denoiser=denoiser, tokenizer=self.tokenizer, recipe=self._recipe)

    def _write_samples(self, pipe: PocketPipeline, name: str, *, steps: int, guidance: float) -> None:
        """A sheet of what it draws of prompts that training has not seen."""
        prompts = [prompt for prompt, _ in held_out_prompts(SAMPLES, seed=self._recipe.seed)]
        clips = drawn(pipe, prompts, seed=self._recipe.seed, steps=steps, guidance=guidance)
        path = self._work / "samples" / f"{name}.png"
        write_sheet(path, list(zip(prompts, clips, strict=True)))
        print(f"samples: {path}", flush=True)


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.pocket.train", description=(__doc__ or "").splitlines()[0])
    recipes = sorted(path.stem for path in RECIPES.glob("*.toml"))
    usual = "gpu" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--recipe", choices=recipes, default=usual, help=f"the numbers (default here: {usual})")
    parser.add_argument("--work", type=Path, required=True, help="folder of clips and checkpoints; some GB")
    parser.add_argument("--out", type=Path, help="folder to write the model to, as far as it is")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this long; the next run goes on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="train these alone (default: all)")
    parser.add_argument(
        "--begin-with", type=Path, metavar="MODEL", help="folder of a model whose weights to begin with"
    )
    arguments = parser.parse_args()
    end_at = time.monotonic() + 60 * arguments.minutes
    try:
        training = Training(
            read_recipe(arguments.recipe),
            arguments.work,
            device=torch.device(arguments.device),
            is_over=lambda: time.monotonic() > end_at,
            parts=tuple(arguments.parts),
            begin_with=arguments.begin_with,
        )
        pipe = training.run()
        if arguments.out and pipe:
            print(f"{arguments.out}: {write_model(arguments.out, pipe) / 1e6:.1f} MB")
            write_history(arguments.out / HISTORY, arguments.work, recipe=arguments.recipe, device=arguments.device)
    except (ValueError, FileExistsError) as exc:
        sys.exit(str(exc))
    if arguments.out and not pipe:
        print("There is no model yet: run it again, it goes on.")


if __name__ == "__main__":
    main()
