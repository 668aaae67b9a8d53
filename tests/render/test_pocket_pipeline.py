"""The pocket model's classes at toy size: the way from a prompt to frames, and to a folder and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpu_job.decoders import decoder_of  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from gpu_job.pocket.autoencoder import PocketAutoencoder  # noqa: E402
from gpu_job.pocket.pipeline import PocketPipeline, shortened  # noqa: E402
from models.pocket.assembly import assembled, write_model  # noqa: E402
from models.pocket.denoiser import Denoiser  # noqa: E402
from models.pocket.labels import ATTRIBUTES  # noqa: E402
from models.pocket.recipe import Recipe, read_recipe  # noqa: E402
from models.pocket.text_training import Reader  # noqa: E402
from models.pocket.tokens import make_tokenizer  # noqa: E402
from shared.errors import Permanent  # noqa: E402
from tests.unit.renderer_world import SPEC, Listener, drawn  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.render

WORDS = ["a red ball in a room at night", "a blue fish under water"] * 5
ODD_PROMPTS = ["", "   ", "🐈🐈🐈", "Eine rote Kugel im Wald bei Nacht", "红色的球", "ball " * 400, "?!…", "a\u0000b"]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe("tiny")


@pytest.fixture(scope="module")
def pipe(recipe: Recipe) -> PocketPipeline:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        autoencoder = PocketAutoencoder(latent_channels=8, patch_size=16)
        autoencoder.fit([torch.rand(4, 3, 5, 64, 64) * 2 - 1])
        tokenizer = make_tokenizer(WORDS, tuple(ATTRIBUTES))
        reader = Reader(recipe=recipe, vocabulary=len(tokenizer))
        denoiser = Denoiser(recipe=recipe, text_encoder=reader.text_encoder).eval()
    return assembled(autoencoder=autoencoder, denoiser=denoiser, tokenizer=tokenizer, recipe=recipe)


def frames_of(pipe: PocketPipeline, prompt: str | list[str], *, seed: int = 1, guidance: float = 2.0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return pipe(prompt, num_inference_steps=2, guidance_scale=guidance, generator=generator).frames


def test_a_clip_has_the_size_and_length_that_the_model_was_made_for(pipe: PocketPipeline) -> None:
    frames = frames_of(pipe, "a red ball")
    assert frames.shape == (1, 5, 3, 64, 64)
    assert 0 <= frames.min() <= frames.max() <= 1


def test_one_seed_gives_one_clip_and_another_seed_another(pipe: PocketPipeline) -> None:
    assert torch.equal(frames_of(pipe, "a red ball"), frames_of(pipe, "a red ball"))
    assert not torch.equal(frames_of(pipe, "a red ball"), frames_of(pipe, "a red ball", seed=2))


def test_another_prompt_gives_another_clip_of_the_same_noise(pipe: PocketPipeline) -> None:
    assert not torch.equal(frames_of(pipe, "a red ball"), frames_of(pipe, "a blue fish"))


def test_words_that_training_has_not_seen_count_alike(pipe: PocketPipeline) -> None:
    assert torch.equal(frames_of(pipe, "a zebra"), frames_of(pipe, "a xylophone"))


@pytest.mark.parametrize("prompt", ODD_PROMPTS)
def test_any_prompt_gives_a_clip(pipe: PocketPipeline, prompt: str) -> None:
    assert torch.isfinite(frames_of(pipe, prompt)).all()


def test_of_a_prompt_that_is_too_long_the_middle_is_left_out() -> None:
    assert shortened(list(range(9)), 6) == [0, 1, 2, 3, 7, 8]
    assert shortened([1, 2], 6) == [1, 2]


@pytest.mark.parametrize(
    "wish", [{"width": 60}, {"height": 8}, {"num_frames": 4}, {"num_frames": 1}, {"width": -64}, {"height": 65}]
)
def test_a_size_or_length_that_can_not_be_drawn_is_refused(pipe: PocketPipeline, wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        pipe("a red ball", num_inference_steps=1, **wish)


def test_half_of_the_work_is_spared_where_guidance_is_off(pipe: PocketPipeline) -> None:
    batches: list[int] = []
    hook = pipe.transformer.register_forward_pre_hook(
        lambda _module, _args, kwargs: batches.append(len(kwargs["hidden_states"])), with_kwargs=True
    )
    frames_of(pipe, "a red ball", guidance=1.0)
    frames_of(pipe, "a red ball", guidance=2.0)
    hook.remove()
    assert batches == [1, 1, 2, 2]


def test_a_step_can_be_listened_to_and_the_work_be_stopped(pipe: PocketPipeline) -> None:
    class Enough(Exception):  # noqa: N818 - as the worker's own
        pass

    def stop(_pipe: object, number: int, *_: object) -> dict[str, object]:
        if number == 1:
            raise Enough
        return {}

    with pytest.raises(Enough):
        pipe("a red ball", num_inference_steps=4, callback_on_step_end=stop)


def test_the_components_alone_bring_back_what_lies_in_their_span() -> None:
    torch.manual_seed(3)
    autoencoder = PocketAutoencoder(latent_channels=8, patch_size=16)
    flat = torch.rand(6, 3, 1, 1, 1).expand(6, 3, 9, 32, 48) * 2 - 1  # one colour each: three components suffice
    autoencoder.fit([flat[:3], flat[3:]])
    latents = autoencoder.encode(flat)
    assert latents.shape == (6, 8, 3, 2, 3)
    assert torch.allclose(autoencoder.project_back(latents), flat, atol=1e-3)
    assert torch.allclose(autoencoder.decode(latents), flat, atol=1e-3)


def test_frames_decoded_group_by_group_are_those_of_the_pipeline(pipe: PocketPipeline) -> None:
    latents = pipe(
        "a red ball", num_inference_steps=2, generator=torch.Generator().manual_seed(1), output_type="latent"
    )
    decoder = decoder_of(pipe, pipe.config.num_frames)
    assert decoder
    groups = list(decoder(latents.frames[0]))
    assert [len(group) for group in groups] == [1, 4]
    assert torch.equal(torch.cat(groups), frames_of(pipe, "a red ball", guidance=1.0)[0])


def test_the_folder_brings_back_the_pipeline_in_half_precision(pipe: PocketPipeline, tmp_path: Path) -> None:
    size_bytes = write_model(tmp_path / "pocket", pipe)
    assert size_bytes == sum(each.stat().st_size for each in (tmp_path / "pocket").rglob("*") if each.is_file())
    again = PocketPipeline.from_pretrained(tmp_path / "pocket", dtype=torch.float32, local_files_only=True)
    again.set_progress_bar_config(disable=True)
    assert (frames_of(again, "a red ball") - frames_of(pipe, "a red ball")).abs().max() < 0.05
    assert pipe.transformer.dtype == torch.float32


def test_a_worker_draws_with_a_folder_of_our_own_class(pipe: PocketPipeline, tmp_path: Path) -> None:
    write_model(tmp_path / "pocket", pipe)
    renderer = DiffusersRenderer(tmp_path, device="cpu")
    spec = SPEC.model_copy(update={"model_source": "pocket", "width": 64, "height": 64, "frames": 5, "steps": 2})
    frames = drawn(renderer, spec)
    assert frames.shape == (5, 64, 64, 3)
    assert np.isfinite(frames).all()
    with pytest.raises(Permanent, match="multiples of 32"):
        drawn(renderer, spec.model_copy(update={"width": 72}), watch=Listener())
