"""The four rooms: who may import whom, and what is imported late."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUBMIT, NOTIFY = ROOT / "functions" / "submit", ROOT / "functions" / "notify"
GPU_JOB, SHARED = ROOT / "gpu_job", ROOT / "shared"
ROOMS = [SUBMIT, NOTIFY, GPU_JOB, SHARED]
#: Top-level packages of ours.
OURS = {"bench", "cli", "functions", "gpu_job", "local", "models", "shared", "tests"}
#: What takes seconds to import and gigabytes to install: the worker's renderer alone needs it.
HEAVY = {"accelerate", "diffusers", "torch", "torchvision", "transformers"}


def modules(room: Path) -> list[Path]:
    return sorted(room.rglob("*.py"))


def names(room: Path) -> set[str]:
    """Names of the modules that lie flat in a function's folder."""
    return {path.stem for path in room.glob("*.py")}


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a file, late and for types too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    return {name.split(".")[0] for name in imports(path)}


def room_and_module(*rooms: Path) -> list[object]:
    found = [(room, path) for room in rooms for path in modules(room)]
    return [pytest.param(*each, id=str(each[1].relative_to(ROOT))) for each in found]


def test_no_room_is_empty() -> None:
    assert all(len(modules(room)) > 2 for room in ROOMS)


def test_every_package_of_ours_is_known_here() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    with_code = {name for name in folders if any((ROOT / name).rglob("*.py"))}
    assert with_code - {"build", "frontend", "terraform", "docs", "node_modules"} <= OURS


@pytest.mark.parametrize(("room", "path"), room_and_module(*ROOMS))
def test_a_room_imports_of_ours_only_itself_and_shared(room: Path, path: Path) -> None:
    itself = {room.name} if room in (GPU_JOB, SHARED) else set()
    assert packages(path) & OURS <= {"shared"} | itself


@pytest.mark.parametrize(("room", "path"), room_and_module(SUBMIT, NOTIFY))
def test_a_function_never_imports_a_module_of_the_other(room: Path, path: Path) -> None:
    other = NOTIFY if room == SUBMIT else SUBMIT
    assert not packages(path) & (names(other) - {"main"})


@pytest.mark.parametrize(("room", "path"), room_and_module(SUBMIT, NOTIFY))
def test_nothing_imports_the_composition_root_of_a_function(room: Path, path: Path) -> None:  # noqa: ARG001
    assert "main" not in packages(path)


def test_modules_of_the_two_functions_differ_in_name_since_both_lie_on_the_path() -> None:
    assert names(SUBMIT) & names(NOTIFY) == {"main"}


@pytest.mark.parametrize("room", [SUBMIT, NOTIFY], ids=lambda room: str(room.name))
def test_no_module_of_a_function_hides_a_package(room: Path) -> None:
    assert not names(room) & (OURS | set(sys.stdlib_module_names))


@pytest.mark.parametrize("room", [SUBMIT, NOTIFY], ids=lambda room: str(room.name))
def test_a_function_is_one_flat_folder(room: Path) -> None:
    assert all(path.parent == room for path in modules(room))


@pytest.mark.parametrize(("room", "path"), room_and_module(SUBMIT, NOTIFY, SHARED))
def test_shared_and_the_functions_never_import_what_renders(room: Path, path: Path) -> None:  # noqa: ARG001
    assert not packages(path) & HEAVY


@pytest.mark.parametrize(("room", "path"), room_and_module(*ROOMS))
def test_only_adapters_and_composition_roots_know_googles_clients(room: Path, path: Path) -> None:  # noqa: ARG001
    knows = any(name.startswith("google.cloud") for name in imports(path))
    assert not knows or path.name in {"main.py", "firestore.py", "gcs.py", "google_storage.py", "pubsub.py"}


@pytest.mark.parametrize(("room", "path"), room_and_module(SUBMIT, NOTIFY, GPU_JOB))
def test_no_room_imports_what_only_tests_need(room: Path, path: Path) -> None:  # noqa: ARG001
    assert "shared.testing" not in set(imports(path))


def test_shared_has_no_drawer_for_odds_and_ends() -> None:
    assert not {path.stem for path in modules(SHARED)} & {"utils", "util", "helpers", "common", "misc"}


def imported_by(*statements: str) -> set[str]:
    """Modules in memory after a fresh interpreter ran these statements at the repository's root."""
    code = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_a_worker_that_finds_no_work_never_imports_what_renders() -> None:
    loaded = imported_by("import gpu_job.consumer", "import gpu_job.main")
    assert "gpu_job.main" in loaded
    assert not loaded & (HEAVY | {"numpy", "av", "PIL"})


def test_the_use_cases_of_the_functions_need_no_client_of_google() -> None:
    paths = f"import sys; sys.path += [{str(SUBMIT)!r}, {str(NOTIFY)!r}]"
    loaded = imported_by(paths, "import http_api, intake, submit_job, submit_settings")
    loaded |= imported_by(paths, "import burying, notifier, notify_settings, reconciling")
    assert "shared.settling" in loaded
    assert not loaded & (HEAVY | {"functions_framework"})
    assert not [name for name in loaded if name.startswith("google.cloud.")]
