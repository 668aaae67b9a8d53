"""The catalogues: what is in them, and what a broken file is told."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from submit_settings import SubmitSettings

from gpu_job.worker_settings import WorkerSettings
from shared.catalogue import HERE, BrokenCatalogueError, Entry, load
from shared.catalogues import CATALOGUES, read_catalogues
from shared.models import Model, models
from shared.optics import Optics
from shared.perspectives import Perspective, perspectives
from shared.plans import plans
from shared.prices import prices
from shared.themes import Theme, themes

A_PERSPECTIVE = """
version = 1
name = "Old horse"
kind = "mammal"
summary = "Slow."
sight = "Wide."
prompt = "a horse sees {scene}"
scenes = ["a meadow"]
camera = { height_m = 0.9, motion = "grazes" }

[optics]
frame_deg = 90
acuity_cpd = { value = 23, source = "Timney & Keil 1992" }
threshold = { value = 0.3, estimate = "it sees well at dusk" }
lens = { passes = [0.9, 0.8, 0.5], veil = 0.1, estimate = "it is old" }
"""
TWO_CONES = 'peaks_nm = { values = [428, 539], source = "Carroll et al. 2001" }'
A_DEFICIENCY = 'deficiency = { kind = "deutan", severity = 1, estimate = "the middle cones are missing" }'
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
memory = { weights_gb = 1, largest_gb = 0.5, clip_gb = 2, estimate = "a toy's figures" }
"""


def broken(folder: Path, kind: str, schema: type[Entry], files: dict[str, str | bytes]) -> list[str]:
    """The lines of the error for a folder of these files."""
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BrokenCatalogueError) as caught:
        load(kind, schema, folder=folder)
    return str(caught.value).splitlines()


# --- what is in them ---


def test_these_are_the_twenty_one_perspectives() -> None:
    assert {each.id: each.name for each in perspectives().values()} == {
        "busy-bee": "Busy bee",
        "clever-rat": "Clever rat",
        "clouded-grandmother": "Grandmother with cataract",
        "colour-deficient-walker": "Walker with red-green deficiency",
        "curious-cat": "Curious cat",
        "drifting-balloon": "Drifting balloon",
        "drifting-goldfish": "Drifting goldfish",
        "garden-ant": "Garden ant",
        "heat-seeking-viper": "Heat-seeking viper",
        "hidden-octopus": "Hidden octopus",
        "homing-pigeon": "Homing pigeon",
        "loyal-dog": "Loyal dog",
        "moonlit-gecko": "Moonlit gecko",
        "newborn-child": "Newborn child",
        "night-owl": "Night owl",
        "patient-horse": "Patient horse",
        "reader-with-blind-spot": "Reader with a blind spot",
        "restless-fly": "Restless fly",
        "robot-vacuum": "Robot vacuum",
        "soaring-eagle": "Soaring eagle",
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
    loaded = {
        "perspectives": perspectives(),
        "themes": themes(),
        "models": models(),
        "plans": plans(),
        "prices": prices(),
    }
    for kind, entries in loaded.items():
        assert list(entries) == sorted(path.stem for path in (HERE / kind).glob("*"))
        assert all(key == entry.id for key, entry in entries.items())
    assert {path.name for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(loaded)


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_every_perspective_can_be_told_apart_and_has_scenes_to_choose_from(perspective: Perspective) -> None:
    assert all(text.strip() == text != "" for text in (perspective.name, perspective.summary, perspective.sight))
    assert len(set(perspective.scenes)) == len(perspective.scenes) >= 2
    assert all("{" not in scene and scene.strip() == scene != "" for scene in perspective.scenes)


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_every_number_of_an_eye_has_a_source_or_is_marked_an_estimate(perspective: Perspective) -> None:
    assert perspective.optics.figures
    assert set(perspective.optics.numbers) == {"frame_deg", *perspective.optics.figures}
    for name, figure in perspective.optics.figures.items():
        bare = perspective.optics.model_dump() | {name: figure.model_dump(exclude={"source", "estimate"})}
        with pytest.raises(ValidationError, match="needs a source or an estimate"):
            Optics.model_validate(bare)


def test_what_makes_no_claim_to_science_says_so() -> None:
    playful = [each for each in perspectives().values() if each.playful]
    assert [each.id for each in playful] == ["drifting-balloon", "robot-vacuum"]
    assert all("game" in each.summary and each.sight.startswith("A game") for each in playful)


@pytest.mark.parametrize("theme", themes().values(), ids=lambda each: each.id)
def test_every_theme_adds_words(theme: Theme) -> None:
    assert theme.words.strip() == theme.words != ""


@pytest.mark.parametrize("model", models().values(), ids=lambda each: each.id)
def test_the_lengths_of_a_model_are_what_its_frames_take(model: Model) -> None:
    for length in model.lengths:
        assert length.seconds == pytest.approx(length.frames / model.fps, abs=0.1)
        if model.pipeline_class in {"WanPipeline", "PocketPipeline"}:
            assert length.frames % 4 == 1, "Wan's VAE packs four frames after the first"


@pytest.mark.parametrize("model", models().values(), ids=lambda each: each.id)
def test_a_model_says_what_it_takes(model: Model) -> None:
    assert model.memory.largest_gb <= model.memory.weights_gb
    assert model.clip_gb(model.clips[0]) == pytest.approx(model.memory.clip_gb)
    assert len(model.clips) == len(model.sizes) * len(model.lengths)


@pytest.mark.parametrize("model", models().values(), ids=lambda each: each.id)
def test_a_model_from_the_hub_is_one_commit_where_that_is_known(model: Model) -> None:
    unknown = {"text-to-video-ms-1.7b"}
    if "/" in model.source:
        assert (re.fullmatch("[0-9a-f]{40}", model.revision) is None) == (model.id in unknown)


@pytest.mark.parametrize("model", models().values(), ids=lambda each: each.id)
def test_what_needs_no_guidance_is_given_no_negative_prompt(model: Model) -> None:
    assert model.guidance > 1 or not model.negative_prompt


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
        ("height_m = 0.9", "height_m = 0", "perspectives/a.toml: camera.height_m: Input should be greater than 0"),
        (', motion = "grazes"', "", "perspectives/a.toml: camera.motion: Field required"),
        ("frame_deg = 90", "frame_deg = 170", "perspectives/a.toml: optics.frame_deg: Input should be less than 170"),
        ("frame_deg = 90\n", "", "perspectives/a.toml: optics.frame_deg: Field required"),
        ("value = 23", "value = -23", "perspectives/a.toml: optics.acuity_cpd.value: Input should be greater than 0"),
        ("value = 23", "value = nan", "perspectives/a.toml: optics.acuity_cpd.value: Input should be a finite number"),
        (
            ', source = "Timney & Keil 1992"',
            "",
            "perspectives/a.toml: optics.acuity_cpd: Value error, needs a source or an estimate",
        ),
        ('"Timney & Keil 1992"', '"?"', "perspectives/a.toml: optics.acuity_cpd.source: String should have at least"),
        (
            ', estimate = "it is old"',
            ', estimate = "it is old", source = "somebody"',
            "perspectives/a.toml: optics.lens: Value error, needs a source or an estimate",
        ),
        ("passes = [0.9, 0.8, 0.5]", "passes = [0.9]", "perspectives/a.toml: optics.lens.passes.1: Field required"),
        ("veil = 0.1", "veil = 1.1", "perspectives/a.toml: optics.lens.veil: Input should be less than or equal to 1"),
        ("veil = 0.1", "veil = nan", "perspectives/a.toml: optics.lens.veil: Input should be a finite number"),
        ("height_m = 0.9", "height_m = inf", "perspectives/a.toml: camera.height_m: Input should be a finite number"),
        ("acuity_cpd", "acuity", "perspectives/a.toml: optics.acuity: Extra inputs are not permitted"),
        (
            "frame_deg = 90",
            f"frame_deg = 90\n{A_DEFICIENCY}\n{TWO_CONES}",
            "perspectives/a.toml: optics: Value error, has cones of its own or a person's deficiency, not both",
        ),
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
        ("weights_gb = 1", "weights_gb = 0", "memory.weights_gb"),
        (', estimate = "a toy\'s figures"', "", "memory"),
        ("steps = 2", "steps = 2\nsampler = { sigmas = [1.0] }", ""),
        ("steps = 2", "steps = 2\nsampler = { sigmas = [0.5, 1.0] }", "sampler"),
        ("steps = 2", "steps = 2\nsampler = { sigmas = [1.5, 1.0] }", "sampler.sigmas.0"),
        ("steps = 2", 'steps = 2\nadapters = [{ source = "a/b", revision = "main", file = "c" }]', "adapters.0.part"),
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


@pytest.fixture
def copied_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of all catalogues in place of the repository's, not read yet."""
    folder = tmp_path / "catalogue"
    shutil.copytree(HERE, folder)
    monkeypatch.setattr("shared.catalogue.HERE", folder)
    for catalogue in CATALOGUES:
        catalogue.cache_clear()
    yield folder
    for catalogue in CATALOGUES:
        catalogue.cache_clear()


def test_a_program_that_starts_is_told_the_faults_of_all_catalogues_at_once(copied_catalogue: Path) -> None:
    read_catalogues()
    for catalogue in CATALOGUES:
        catalogue.cache_clear()
    (copied_catalogue / "perspectives" / "old-horse.toml").write_text(A_PERSPECTIVE.replace("value = 23", "value = 0"))
    (copied_catalogue / "themes" / "fog.toml").write_text("fog")

    with pytest.raises(BrokenCatalogueError) as caught:
        read_catalogues()

    horse, fog = str(caught.value).splitlines()
    assert horse == "perspectives/old-horse.toml: optics.acuity_cpd.value: Input should be greater than 0"
    assert fog.startswith("themes/fog.toml: not TOML: ")
