"""What goes into the worker's image, by the Dockerfile; `make image-trial` builds it and finds the same in there."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

from local import image
from local.bundles import ROOT
from local.container import Image
from local.errors import LocalStackError
from local.image import copied_files, imported_packages, needed_files
from local.image_builder import ImageBuildError, built_image
from local.image_trial import look_into
from local.locks import pins

TARGETS = ("cpu", "cuda")
WEIGHTS = "/app/models/weights/pocket/"
CPU_PINS, CUDA_PINS = (pins(ROOT / "gpu_job" / name) for name in ("requirements.txt", "requirements-cuda.txt"))
#: Our own modules take a few, the lock with its hashes the most; whatever is larger lies in the image by mistake.
MAX_FILE_BYTES = 150_000


def dockerfile() -> str:
    return (ROOT / "gpu_job" / "Dockerfile").read_text("utf-8")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_every_file_that_the_worker_imports_or_reads(target: str) -> None:
    needed = needed_files()

    assert {"/app/gpu_job/diffusers_renderer.py", "/app/gpu_job/pocket/pipeline.py"} <= set(needed), "late ones too"
    assert "/app/shared/catalogue/perspectives/curious-cat.toml" in needed
    assert needed.items() <= copied_files(target).items()


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_nothing_else_that_is_large(target: str) -> None:
    large = {name for name, path in copied_files(target).items() if path.stat().st_size > MAX_FILE_BYTES}

    assert {name for name in large if not name.startswith(WEIGHTS)} == set()


def test_only_the_image_for_cpus_brings_weights_and_those_are_pockets() -> None:
    cpu, cuda = set(copied_files("cpu")), set(copied_files("cuda"))

    assert cuda < cpu
    assert {name for name in cpu - cuda if not name.startswith(WEIGHTS)} == set()
    shown = {str(path.relative_to(ROOT)) for path in (ROOT / "models/weights/pocket").rglob("*.safetensors")}
    assert {name.removeprefix("/app/") for name in cpu if name.endswith(".safetensors")} == shown


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_but_code_catalogues_and_pins_of_the_worker_is_copied(target: str) -> None:
    kinds = {Path(name).suffix for name in copied_files(target) if not name.startswith(WEIGHTS)}

    assert kinds == {".py", ".toml", ".txt", ".in"}
    assert not [name for name in copied_files(target) if "__pycache__" in name or "/testing/" in name]


def test_a_dockerfile_that_forgets_a_folder_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful = tmp_path / "Dockerfile"
    forgetful.write_text(dockerfile().replace("COPY shared/ /app/shared/\n", ""), "utf-8")
    monkeypatch.setattr(image, "DOCKERFILE", forgetful)

    missing = set(needed_files()) - set(copied_files("cuda"))

    assert "/app/shared/jobs.py" in missing


def test_a_copy_that_is_not_understood_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = tmp_path / "Dockerfile"
    strange.write_text("FROM debian AS cpu\nCOPY --from=elsewhere /a /b\n", "utf-8")
    monkeypatch.setattr(image, "DOCKERFILE", strange)

    with pytest.raises(ValueError, match="--from=elsewhere"):
        copied_files("cpu")


def test_every_package_that_the_worker_imports_is_pinned() -> None:
    pinned, makers = set(CPU_PINS), packages_distributions()
    others = imported_packages() - set(sys.stdlib_module_names) - {"google"}

    assert {"torch", "diffusers", "av"} <= others
    plain = {name: {maker.lower().replace("_", "-") for maker in makers[name]} for name in others}
    assert {name for name, of in plain.items() if not of & pinned} == set()
    assert {"google-cloud-firestore", "google-cloud-pubsub", "google-cloud-storage"} <= pinned


def test_the_pins_are_whole_so_that_pip_need_not_look_for_more() -> None:
    wished = {re.split(r"[^\w-]", each)[0].lower() for each in requires("torch") or [] if "extra ==" not in each}

    assert {"setuptools", "sympy"} <= wished
    assert wished <= set(CUDA_PINS), "CUDA's are not in a torch for CPUs, so they are not looked at"
    assert wished <= set(CPU_PINS)


def test_both_targets_install_the_torch_that_is_pinned_and_one_has_cuda() -> None:
    assert f"ARG TORCH={CPU_PINS['torch']}\n" in dockerfile()
    assert {"triton", "nvidia-cudnn-cu13", "nvidia-cublas"} <= set(CUDA_PINS)
    both = set(CUDA_PINS) & set(CPU_PINS)
    assert "torch" in both
    assert {name: CUDA_PINS[name] for name in both} == {name: CPU_PINS[name] for name in both}


def test_what_the_image_stands_on_is_named_by_digest() -> None:
    [base] = re.findall(r"(?m)^ARG BASE=(\S+)$", dockerfile())
    stands_on = set(re.findall(r"(?m)^FROM (\S+)", dockerfile()))

    assert re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", base)
    assert stands_on == {"${BASE}", "python"}


def test_libraries_are_installed_before_code_is_copied_so_that_new_code_is_a_small_layer() -> None:
    for stage in re.split(r"(?m)^FROM ", dockerfile())[3:]:
        assert stage.rindex("pip --python") < stage.index("COPY shared/") < stage.index("COPY gpu_job/ ")


def test_the_last_stage_is_the_one_that_the_cluster_runs() -> None:
    assert re.findall(r"(?m)^FROM \S+ AS (\S+)$", dockerfile())[-1] == "cuda"


def test_process_1_passes_signals_on_and_nobody_is_root() -> None:
    [entrypoint] = re.findall(r"(?m)^ENTRYPOINT (.+)$", dockerfile())

    assert json.loads(entrypoint) == ["tini", "--", "python", "-m", "gpu_job.main"]
    for stage in re.split(r"(?m)^FROM ", dockerfile())[1:]:
        assert re.findall(r"(?m)^USER (\S+)$", stage)[-1] == "10001:10001"


@pytest.mark.parametrize("user", ["", "0:0", "worker", "10001"])
def test_an_image_that_may_run_as_root_is_not_run(user: str, tmp_path: Path) -> None:
    config = {"User": user, "WorkingDir": "/app", "Entrypoint": ["tini"], "Env": []}

    with pytest.raises(ValueError, match="not as root"):
        Image.of(tmp_path, config)


def test_where_the_image_can_not_be_built_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ImageBuildError, match="apt-get install buildah mmdebstrap"), built_image(tmp_path / "cache"):
        pass

    assert not (tmp_path / "cache").exists()


@pytest.fixture
def built(tmp_path: Path) -> Image:
    """What the files of an image look like, all of them empty."""
    packages = tmp_path / "opt/venv/lib/python3.11/site-packages"
    for name in copied_files("cpu"):
        path = tmp_path / name.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, version in CPU_PINS.items():
        (packages / f"{name.replace('-', '_')}-{version}.dist-info").mkdir(parents=True)
    config = {"User": "10001:10001", "WorkingDir": "/app", "Entrypoint": ["tini"], "Env": []}
    return Image.of(tmp_path, config)


def test_an_image_as_it_should_be_is_let_pass(built: Image) -> None:
    look_into(built)


@pytest.mark.parametrize(
    ("stray", "what"),
    [
        ("app/.env", "files of ours"),
        ("app/models/weights/wan/model.safetensors", "files of ours"),
        ("opt/venv/lib/python3.11/site-packages/pytest-9.2.0.dist-info/METADATA", "packages"),
        ("cache/huggingface/model.safetensors", "weights of others"),
    ],
)
def test_an_image_with_something_more_is_not(built: Image, stray: str, what: str) -> None:
    path = built.root / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    with pytest.raises(LocalStackError, match=what):
        look_into(built)


def test_an_image_without_a_module_is_not(built: Image) -> None:
    (built.root / "app/gpu_job/lease.py").unlink()

    with pytest.raises(LocalStackError, match=r"missing .*lease\.py"):
        look_into(built)
