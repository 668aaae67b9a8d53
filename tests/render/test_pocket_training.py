"""What trains the pocket model, at toy size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from gpu_job.pocket.autoencoder import PocketAutoencoder  # noqa: E402
from gpu_job.pocket.pipeline import PLACE_CHANNELS, placed  # noqa: E402
from models.pocket.checkpoints import load, save  # noqa: E402
from models.pocket.denoiser import ALL_NOISE, Denoiser, Optimizers, drawn_times  # noqa: E402
from models.pocket.labels import ATTRIBUTES  # noqa: E402
from models.pocket.learning import learn  # noqa: E402
from models.pocket.muon import Muon, orthogonal  # noqa: E402
from models.pocket.recipe import RECIPES, Recipe, read_recipe  # noqa: E402
from models.pocket.student_training import led_to  # noqa: E402
from models.pocket.text_training import Reader  # noqa: E402
from models.pocket.walks import mixed, times_of, walked  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.pocket.learning import Batch

pytestmark = pytest.mark.render

RECIPE = read_recipe("tiny")
WORDS = 20


def a_denoiser() -> Denoiser:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Denoiser(recipe=RECIPE, text_encoder=Reader(recipe=RECIPE, vocabulary=WORDS).text_encoder)


def a_batch(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    clips = torch.randn(4, 8, 2, 4, 4, generator=generator)
    ids = torch.randint(1, WORDS, (4, 9), generator=generator)
    return clips, ids, torch.randn(clips.shape, generator=generator), drawn_times(4, generator, log_ratio=-2.6)


def learned(folder: Path, *, is_over: Callable[[], bool] = lambda: False, began_as: int = 0) -> Denoiser:
    denoiser = a_denoiser()
    return learn(
        denoiser,
        name="toy",
        steps=6,
        optimizers=Optimizers.of(denoiser, muon_rate=1e-2, adam_rate=1e-3),
        average_decay=0.5,
        rate=lambda _step: 1.0,
        batch=a_batch,
        folder=folder,
        device=torch.device("cpu"),
        is_over=is_over,
        began_as=began_as,
    )


@pytest.mark.parametrize("shape", [(2, 6, 6), (1, 3, 8), (1, 8, 3)])
def test_a_step_of_muon_turns_every_direction_alike(shape: tuple[int, ...]) -> None:
    turned = orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(1)))
    values = torch.linalg.svdvals(turned)
    assert turned.shape == shape
    assert 0.5 < values.min() <= values.max() < 1.4


def test_muon_finds_what_a_matrix_should_be() -> None:
    wanted = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    weight = torch.zeros(4, 6, requires_grad=True)
    muon = Muon([weight], lr=0.2)
    for step in range(200):
        muon.param_groups[0]["lr"] = 0.2 * (1 - step / 200)
        loss = (weight - wanted).square().mean()
        muon.zero_grad()
        loss.backward()
        muon.step()
    assert loss < 0.01


def test_who_goes_on_after_a_break_learns_what_it_would_have_learned_without(tmp_path: Path) -> None:
    whole = learned(tmp_path / "whole")
    steps = iter(range(5))
    learned(tmp_path / "broken", is_over=lambda: next(steps, None) is None)
    kept = load(tmp_path / "broken" / "toy")
    assert kept
    assert kept["step"] == 5
    again = learned(tmp_path / "broken")
    for name, weight in whole.transformer.state_dict().items():
        assert torch.equal(weight, again.transformer.state_dict()[name]), name


def test_a_checkpoint_comes_in_pieces_and_is_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pocket.checkpoints.PIECE_BYTES", 1000)
    save(tmp_path / "part", {"weights": torch.arange(1000.0)})
    save(tmp_path / "part", {"weights": torch.arange(500.0), "step": 2})
    pieces = list((tmp_path / "part").iterdir())
    assert len(pieces) > 1
    assert max(piece.stat().st_size for piece in pieces) == 1000
    found = load(tmp_path / "part")
    assert found
    assert torch.equal(found["weights"], torch.arange(500.0))
    assert [path.name for path in tmp_path.iterdir()] == ["part"]
    assert load(tmp_path / "other") is None


def test_a_student_of_another_teacher_begins_anew(tmp_path: Path) -> None:
    learned(tmp_path, began_as=1)
    kept = load(tmp_path / "toy")
    assert kept
    assert (kept["step"], kept["began_as"]) == (6, 1)
    steps = iter(range(2))
    learned(tmp_path, began_as=2, is_over=lambda: next(steps, None) is None)
    kept = load(tmp_path / "toy")
    assert kept
    assert (kept["step"], kept["began_as"]) == (2, 2)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_what_every_recipe_makes_is_small_enough_to_ship(path: Path) -> None:
    recipe = read_recipe(path.stem)
    part = recipe.autoencoder
    with torch.device("meta"):
        text_encoder = Reader(recipe=recipe, vocabulary=600).text_encoder
        models = (
            Denoiser(recipe=recipe, text_encoder=text_encoder),
            PocketAutoencoder(latent_channels=part.latent_channels, patch_size=part.patch_size),
        )
    numbers = sum(each.numel() for model in models for each in (*model.parameters(), *model.buffers()))
    assert 2 * numbers < 60e6


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("clip", {"width": 80}),
        ("clip", {"frames": 16}),
        ("autoencoder", {"patch_size": 24}),
        ("denoiser", {"patch_size": 3}),
    ],
)
def test_a_recipe_whose_sizes_do_not_fit_together_is_refused(part: str, change: dict[str, Any]) -> None:
    numbers = RECIPE.model_dump()
    numbers[part] |= change
    with pytest.raises(ValidationError, match="must be"):
        Recipe.model_validate(numbers)


def test_the_text_encoder_stays_as_it_was_when_the_denoiser_learns(tmp_path: Path) -> None:
    before, after = a_denoiser(), learned(tmp_path)
    pairs = zip(before.text_encoder.parameters(), after.text_encoder.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not torch.equal(before.transformer.proj_out.weight, after.transformer.proj_out.weight)


def test_times_are_drawn_where_there_is_little_but_noise_and_some_are_nothing_else() -> None:
    times = drawn_times(20_000, torch.Generator().manual_seed(1), log_ratio=-2.6)
    assert 0 < times.min() <= times.max() == 1
    assert float((times == 1).float().mean()) == pytest.approx(ALL_NOISE, abs=0.01)
    assert 0.88 < float(times.median()) < 0.97


def test_every_patch_can_tell_where_it_lies() -> None:
    told = placed(torch.zeros(1, 3, 5, 8, 8))[0, 3:].flatten(1).T
    assert told.shape == (5 * 8 * 8, PLACE_CHANNELS)
    assert torch.cdist(told, told).fill_diagonal_(9.0).min() > 0.1


def test_the_few_times_are_among_the_many() -> None:
    few, many = times_of(4), times_of(16)
    assert torch.equal(few, many[::4])
    assert float(few[0]) == 1
    assert float(few[-1]) == 0


def test_one_step_with_what_the_student_shall_say_ends_where_the_teacher_ended() -> None:
    teacher = a_denoiser()
    clips, ids, noise, _ = a_batch(0)
    times = times_of(4)
    noisy = mixed(clips, noise, times[1].expand(4))
    walk = [times[number].expand(4) for number in (1, 2, 3)]
    end = walked(teacher, noisy, (ids, torch.ones_like(ids)), guidance=2.0, times=walk)
    target = led_to(noisy, end, walk[0], walk[-1])
    velocity = (noisy - target) / times[1]
    assert torch.allclose(noisy + (times[3] - times[1]) * velocity, end, atol=1e-4)
    assert not torch.allclose(end, noisy, atol=1e-2)


def test_the_reader_answers_a_question_for_each_attribute() -> None:
    scores = Reader(recipe=RECIPE, vocabulary=WORDS)(a_batch(0)[1])
    assert {name: each.shape for name, each in scores.items()} == {
        name: (4, len(values)) for name, values in ATTRIBUTES.items()
    }
