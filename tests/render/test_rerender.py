"""``lifeasnotme rerender``: a video of the pocket model, made again from its receipt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402

from cli.here import MODELS_DIR  # noqa: E402
from cli.main import main  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from shared.artifact_paths import preview_path, receipt_path, video_path  # noqa: E402
from shared.requests import render_key  # noqa: E402
from shared.testing import a_spec  # noqa: E402
from tests.unit.renderer_world import Listener  # noqa: E402
from tests.unit.worker_world import ATTEMPT, World, make  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from click.testing import Result

pytestmark = pytest.mark.render


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video of two steps, its preview and its receipt."""
    folder = tmp_path_factory.mktemp("made")
    world = World(folder)
    spec = a_spec(size="256x256").model_copy(update={"steps": 2})
    world.new_render = world.new_render.model_copy(update={"spec": spec, "render_key": render_key(spec)})
    world.key = world.new_render.render_key
    world.wish("job-aaaa")
    watch = Listener()
    make(world, renderer=DiffusersRenderer(MODELS_DIR), watch=watch, device=None)
    assert watch.previews == [preview_path(world.key, ATTEMPT)]
    (folder / "video.mp4").write_bytes(world.artifacts.read(video_path(world.key)))
    (folder / "receipt.json").write_bytes(world.artifacts.read(receipt_path(world.key, ATTEMPT)))
    return folder


def rerender(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["rerender", *map(str, arguments)])


def changed(made: Path, to: Path, **changes: Any) -> Path:
    """A receipt like the one that was made, but for some fields; of its spec where that has them."""
    receipt = json.loads((made / "receipt.json").read_text())
    for name, value in changes.items():
        (receipt["spec"] if name in receipt["spec"] else receipt)[name] = value
    path = to / "changed.json"
    path.write_text(json.dumps(receipt))
    return path


def test_a_video_made_again_has_equal_frames(made: Path, tmp_path: Path) -> None:
    done = rerender(made / "receipt.json", "--out", tmp_path / "again.mp4", "--compare", made / "video.mp4")

    assert done.exit_code == 0, done.output
    assert "All 33 frames are equal" in done.output
    assert "was" not in done.output


def test_the_receipt_says_what_each_stage_took_and_how_much_memory(made: Path) -> None:
    receipt = json.loads((made / "receipt.json").read_text())

    stages = {"load", "download", "read", "move", "compile", "denoise", "decode"}
    stages |= {"see", "encode_video", "encode_human_view", "whole"}
    assert receipt["seconds"].keys() == stages
    assert receipt["seconds"]["denoise"] > 0
    assert receipt["peak_memory_bytes"] > 100e6
    assert receipt["acceleration"] == {}


def test_another_video_is_told_from_it_with_what_is_otherwise_than_it_was(made: Path, tmp_path: Path) -> None:
    receipt = changed(made, tmp_path, seed=8, software={"torch": "1.0"})

    done = rerender(receipt, "--out", tmp_path / "again.mp4", "--compare", made / "video.mp4")

    assert done.exit_code == 1
    assert "frames differ" in done.output
    assert "torch was 1.0, and is" in done.output


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_source": "no-such-model"}, "There is no model no-such-model on this machine."),
        ({"optics_version": 99}, "The receipt is of a newer release"),
        ({"frames": 18}, "The model can't draw this"),
        ({"seed": "much"}, "spec.seed: input should be a valid integer"),
        ({"made_by": "hand"}, "made_by: input should be 'AI'"),
    ],
)
def test_what_can_not_be_made_again_is_said_in_one_line(
    made: Path, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    done = rerender(changed(made, tmp_path, **changes), "--out", tmp_path / "again.mp4")

    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert told in done.output
    assert done.output.count("\n") == 1
    assert not (tmp_path / "again.mp4").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\x00", b'"a receipt"'])
def test_a_file_that_is_no_receipt_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "holiday.json"
    path.write_bytes(content)

    done = rerender(path)

    assert done.exit_code == 1
    assert done.output == f"Error: {path} is no receipt: it is no JSON object.\n"


def test_weights_that_are_missing_are_named(made: Path, tmp_path: Path) -> None:
    done = rerender(made / "receipt.json", "--out", tmp_path / "again.mp4", "--models-dir", tmp_path)

    assert done.exit_code == 1
    assert done.output == "Error: There is no model pocket on this machine.\n"
