"""The way from nothing to a model with its card, at toy size: what `make pocket` and what follows it do."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from gpu_job.pocket.pipeline import PocketPipeline  # noqa: E402
from models.pocket.assembly import write_model  # noqa: E402
from models.pocket.card import FOUND, write_card  # noqa: E402
from models.pocket.checkpoints import load  # noqa: E402
from models.pocket.evaluation import evaluate  # noqa: E402
from models.pocket.history import HISTORY, write_history  # noqa: E402
from models.pocket.recipe import read_recipe  # noqa: E402
from models.pocket.train import Training  # noqa: E402
from shared.perspectives import perspectives  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.render

RECIPE = read_recipe("tiny")


def training(work: Path, *, is_over: Callable[[], bool] = lambda: False) -> Training:
    return Training(RECIPE, work, device=torch.device("cpu"), is_over=is_over)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a training that was interrupted at its tenth question whether time is up, and went on."""
    work = tmp_path_factory.mktemp("work")
    asked = iter(range(10))
    training(work, is_over=lambda: next(asked, None) is None).run()
    assert not load(work / "student")
    pipe = training(work).run()
    assert pipe
    write_model(work / "model", pipe)
    return work


def test_every_part_is_trained_to_its_end(work: Path) -> None:
    steps = {
        "text": RECIPE.text.steps,
        "denoiser": RECIPE.denoiser.steps,
        "student": RECIPE.student.steps,
    }
    for name, count in steps.items():
        found = load(work / name)
        assert found
        assert found["step"] == count, name
    assert (work / "samples" / "latest.png").stat().st_size > 10_000


def test_who_comes_when_all_is_done_has_nothing_to_do(work: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in work.rglob("piece-*")}
    training(work).run()
    assert {path: path.stat().st_mtime_ns for path in work.rglob("piece-*")} == before


def test_another_training_may_begin_with_the_weights_of_this_one(work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "shards", tmp_path / "shards")
    again = Training(
        RECIPE, tmp_path, device=torch.device("cpu"), is_over=lambda: True, parts=(), begin_with=work / "model"
    )
    pipe = again.run()
    assert pipe
    before = PocketPipeline.from_pretrained(work / "model", dtype=torch.float32, local_files_only=True)
    for part in ("text_encoder", "transformer", "vae"):
        weights = getattr(pipe, part).state_dict()
        for name, weight in getattr(before, part).state_dict().items():
            assert torch.equal(weights[name], weight), name
    with pytest.raises(ValueError, match="has begun already"):
        Training(RECIPE, tmp_path, device=torch.device("cpu"), is_over=lambda: True, begin_with=work / "model")


def test_clips_of_another_recipe_are_not_mixed_in(work: Path) -> None:
    other = RECIPE.model_copy(update={"seed": 2})
    with pytest.raises(ValueError, match="another recipe"):
        Training(other, work, device=torch.device("cpu"), is_over=lambda: False).run()


def test_a_folder_that_holds_something_else_is_not_written_over(work: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    pipe = PocketPipeline.from_pretrained(work / "model", local_files_only=True)
    with pytest.raises(FileExistsError, match="something else"):
        write_model(tmp_path, pipe)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_model_is_measured_and_its_card_tells_what_was_found(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("CLIPS", 12), ("STEPS", 2), ("BATCH", 4)):
        monkeypatch.setattr(f"models.pocket.probe.{name}", few)
    monkeypatch.setattr("models.pocket.evaluation.VARIED_PROMPTS", 2)
    folder = work / "model"
    pipe = PocketPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)

    found = evaluate(pipe, shape=RECIPE.clip, work=work, prompts=8, steps=2, guidance=1.0)

    assert set(found.accuracy) == {"place", "time_of_day", "weather", "thing", "colour", "motion"}
    assert all(0 <= part <= 1 for part in (*found.accuracy.values(), *found.accuracy_on_painted.values()))
    assert found.components_db > 5
    assert found.autoencoder_db > 5
    assert min(found.jerk_ratio, found.variety_ratio, found.seconds_a_clip) > 0
    for name in (FOUND, "evaluation-20.json"):
        (folder / name).write_text(json.dumps(asdict(found)), encoding="utf-8")
    write_history(folder / HISTORY, work, recipe="tiny", device="cpu")
    write_card(folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{found.accuracy['colour']:.1%}" in card
    assert card.count("2 steps, guidance 1") == 2
    assert "denoiser 6 steps" in card
    assert "no GPU" in card
    assert {path.stem for path in (folder / "sheets").iterdir()} == set(perspectives())
