"""The catalogues: what is in them, and what a broken file is told."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from submit_settings import SubmitSettings

from gpu_job.worker_settings import WorkerSettings
from shared.catalogue import HERE, BrokenCatalogueError, Entry, load
from shared.models import Model, models
from shared.perspectives import Perspective, perspectives
from shared.plans import plans
from shared.themes import Theme, themes

A_PERSPECTIVE = """
version = 1
name = "Old horse"
kind = "mammal"
summary = "Slow."
sight = "Wide."
prompt = "a horse sees {scene}"
scenes = ["a meadow"]
"""
A_THEME = 'version = 1\nname = "Fog"\nsummary = "Grey."\nwords = "in fog"\n'
A_MODEL = """
version = 1
name = "Toy"
summary = "Small."
source = "toy"
revision = "1"
pipeline_class = "WanPipeline"
licence = "MIT"
trained = false
sizes = [{ width = 64, height = 64 }]
lengths = [{ seconds = 1, frames = 9 }]
fps = 8
steps = 2
guidance = 1.0
dtype = "float32"
"""


def broken(folder: Path, kind: str, schema: type[Entry], files: dict[str, str | bytes]) -> list[str]:
    """The lines of the error for a folder of these files."""
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BrokenCatalogueError) as caught:
        load(kind, schema, folder=folder)
    return str(caught.value).splitlines()


# --- what is in them ---


def test_these_are_the_eight_perspectives() -> None:
    assert {each.id: each.name for each in perspectives().values()} == {
        "busy-bee": "Busy bee",
        "curious-cat": "Curious cat",
        "drifting-goldfish": "Drifting goldfish",
        "garden-ant": "Garden ant",
        "loyal-dog": "Loyal dog",
        "newborn-child": "Newborn child",
        "night-owl": "Night owl",
        "watchful-hawk": "Watchful hawk",
    }


def test_these_are_the_six_themes() -> None:
    assert list(themes()) == [
        "autumn-mist",
        "first-snow",
        "golden-hour",
        "rainy-night",
        "spring-morning",
        "thunderstorm",
    ]


def test_every_file_of_the_catalogue_is_an_entry_under_its_own_name() -> None:
    loaded = {"perspectives": perspectives(), "themes": themes(), "models": models(), "plans": plans()}
    for kind, entries in loaded.items():
        assert list(entries) == sorted(path.stem for path in (HERE / kind).glob("*"))
        assert all(key == entry.id for key, entry in entries.items())
    assert {path.name for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(loaded)


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_every_perspective_can_be_told_apart_and_has_scenes_to_choose_from(perspective: Perspective) -> None:
    assert all(text.strip() == text != "" for text in (perspective.name, perspective.summary, perspective.sight))
    assert len(set(perspective.scenes)) == len(perspective.scenes) >= 2
    assert all("{" not in scene and scene.strip() == scene != "" for scene in perspective.scenes)


@pytest.mark.parametrize("theme", themes().values(), ids=lambda each: each.id)
def test_every_theme_adds_words(theme: Theme) -> None:
    assert theme.words.strip() == theme.words != ""


@pytest.mark.parametrize("model", models().values(), ids=lambda each: each.id)
def test_the_lengths_of_a_model_are_what_its_frames_take(model: Model) -> None:
    for length in model.lengths:
        assert length.seconds == pytest.approx(length.frames / model.fps, abs=0.1)
        assert length.frames % 4 == 1, "Wan's VAE packs four frames after the first"


def test_one_model_lies_in_the_repository() -> None:
    folder = Path(__file__).parents[2] / WorkerSettings.model_fields["models_dir"].default
    there = [model.id for model in models().values() if (folder / model.source / "model_index.json").is_file()]
    assert there == ["pocket"]
    assert SubmitSettings.model_fields["served_models"].default == ("pocket",)


def test_a_catalogue_cannot_be_changed_by_who_reads_it() -> None:
    with pytest.raises(TypeError):
        perspectives()["stone"] = perspectives()["curious-cat"]  # type: ignore[index]
    with pytest.raises(ValidationError, match="frozen"):
        perspectives()["curious-cat"].name = "Stone"  # type: ignore[misc]


# --- broken files ---


@pytest.mark.parametrize(
    ("kind", "schema", "text"),
    [("perspectives", Perspective, A_PERSPECTIVE), ("themes", Theme, A_THEME), ("models", Model, A_MODEL)],
)
def test_an_entry_is_known_by_the_name_of_its_file(tmp_path: Path, kind: str, schema: type[Entry], text: str) -> None:
    (tmp_path / "one-2.5.toml").write_text(text)
    (tmp_path / "notes.md").write_text("not an entry")
    assert {key: entry.id for key, entry in load(kind, schema, folder=tmp_path).items()} == {"one-2.5": "one-2.5"}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('kind = "mammal"', 'kind = "stone"', "perspectives/a.toml: kind: Input should be"),
        ('name = "Old horse"\n', "", "perspectives/a.toml: name: Field required"),
        ("version = 1", 'version = "one"', "perspectives/a.toml: version: Input should be a valid integer"),
        ("{scene}", "nothing", "perspectives/a.toml: prompt: Value error, must hold {scene} exactly once"),
        ("{scene}", "{scene}{scene}", "perspectives/a.toml: prompt: Value error, must hold {scene} exactly once"),
        ('scenes = ["a meadow"]', "scenes = []", "perspectives/a.toml: scenes: Tuple should have at least 1 item"),
        ('scenes = ["a meadow"]', "scenes = [1]", "perspectives/a.toml: scenes.0: Input should be a valid string"),
        ("version = 1", "version = 1\ncolour = 1", "perspectives/a.toml: colour: Extra inputs are not permitted"),
        ("version = 1", 'version = 1\nid = "b"', "perspectives/a.toml: id: is the file's name and stands nowhere else"),
        ("version = 1", "version 1", "perspectives/a.toml: not TOML: "),
    ],
)
def test_a_broken_file_is_told_by_file_and_field(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in A_PERSPECTIVE
    told = broken(tmp_path, "perspectives", Perspective, {"a.toml": A_PERSPECTIVE.replace(old, new)})
    assert told[0].startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("width = 64", "width = 63", "sizes.0.width"),
        ("height = 64", "height = 8", "sizes.0.height"),
        ("seconds = 1", "seconds = 0", "lengths.0.seconds"),
        ("frames = 9", "frames = 0", "lengths.0.frames"),
        ("fps = 8", "fps = 0", "fps"),
        ("steps = 2", "steps = 201", "steps"),
        ("guidance = 1.0", "guidance = -1", "guidance"),
        ('"float32"', '"float8"', "dtype"),
    ],
)
def test_a_model_with_figures_that_nothing_can_render_is_broken(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert old in A_MODEL
    told = broken(tmp_path, "models", Model, {"toy.toml": A_MODEL.replace(old, new)})
    assert told[0].startswith(f"models/toy.toml: {field}: ")


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    told = broken(
        tmp_path,
        "themes",
        Theme,
        {"a.toml": 'name = 1\nversion = 1\nsummary = "s"', "b.toml": "=", "c.toml": b"\xff", "d.toml": A_THEME},
    )
    assert [line.rsplit(": ", 1)[0].split(": not TOML")[0] for line in told] == [
        "themes/a.toml: name",
        "themes/a.toml: words",
        "themes/b.toml",
        "themes/c.toml",
    ]


@pytest.mark.parametrize("name", ["Big.toml", "a b.toml", "-a.toml", "ä.toml"])
def test_a_file_name_that_is_no_id_is_refused(tmp_path: Path, name: str) -> None:
    [told] = broken(tmp_path, "themes", Theme, {name: A_THEME})
    assert told.startswith(f"themes/{name}: id: ")


def test_a_catalogue_without_entries_is_broken_since_it_was_left_out_of_the_bundle(tmp_path: Path) -> None:
    assert broken(tmp_path, "themes", Theme, {}) == ["themes: has no entries"]
    assert broken(tmp_path, "themes", Theme, {"readme.md": "nothing"}) == ["themes: has no entries"]
