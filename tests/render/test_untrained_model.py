"""The untrained model, as it lies in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from diffusers import DiffusionPipeline, WanPipeline  # noqa: E402

from gpu_job import untrained_model  # noqa: E402
from shared.models import models  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.render


@pytest.fixture(scope="session")
def folder(models_dir: Path) -> Path:
    return models_dir / untrained_model.MODEL_ID


def test_it_loads_like_any_other_model(folder: Path) -> None:
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    assert type(pipe) is WanPipeline
    assert type(pipe).__name__ == models()[untrained_model.MODEL_ID].pipeline_class


def test_its_weights_are_the_same_at_every_build(folder: Path, tmp_path: Path) -> None:
    untrained_model.build(tmp_path / "again")
    for path in sorted(folder.rglob("*.safetensors")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


def test_building_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    untrained_model.pipeline()
    assert (torch.random.get_rng_state() == before).all()


def test_it_is_small_and_says_that_it_has_learned_nothing(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5e6
    assert "learned nothing" in (folder / "README.md").read_text(encoding="utf-8")
    assert models()[untrained_model.MODEL_ID].trained is False


def test_a_folder_that_is_built_is_left_alone(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    untrained_model.build(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_of_an_older_recipe_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / untrained_model.MARKER).write_text("0\n", encoding="utf-8")
    (tmp_path / "model" / "old").touch()
    untrained_model.build(tmp_path / "model")
    assert (tmp_path / "model" / "model_index.json").is_file()
    assert not (tmp_path / "model" / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").touch()
    assert untrained_model.main([str(tmp_path)]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_command_says_what_it_has_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert untrained_model.main([str(tmp_path / "model")]) == 0
    spoken = capsys.readouterr()
    assert "noise" in spoken.out
    assert spoken.err == ""
