"""What the command keeps on this machine: a folder for each run, the models, the address of the running system."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.run_folder import TELEMETRY_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
#: Of the models that lie in the repository.
MODELS_DIR = ROOT / "models" / "weights"
OUT_DIR = ROOT / "out"
_RUNS_DIR = ROOT / ".local"
#: Logs of so many runs are kept.
_KEPT_RUNS = 5


def new_run_dir() -> Path:
    """A folder for the logs and objects of a run; the oldest ones go."""
    _RUNS_DIR.mkdir(exist_ok=True)
    for old in sorted(_RUNS_DIR.glob("run-*"))[: -_KEPT_RUNS + 1]:
        if not _is_running(int(old.name.rsplit("-", 1)[1])):
            shutil.rmtree(old, ignore_errors=True)
    run_dir = _RUNS_DIR / f"run-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    run_dir.mkdir()
    return run_dir


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but running
        pass
    return True


@contextmanager
def announced(api_url: str, *, telemetry: Path | None = None) -> Iterator[None]:
    """While inside, other terminals find the running system without being told, and the folder of its spans."""
    _RUNS_DIR.mkdir(exist_ok=True)
    address = _RUNS_DIR / f"api-url-{time.time_ns()}-{os.getpid()}"
    address.write_text(f"{api_url}\n{telemetry or ''}", encoding="utf-8")
    try:
        yield
    finally:
        address.unlink(missing_ok=True)


def announced_url() -> str | None:
    """Address of the system that was started last of those that run on this machine, if there is one."""
    return next((url for url, _ in _announcements()), None)


def telemetry_of(api_url: str) -> Path | None:
    """Where the system at that address keeps its spans; None where it does not run on this machine, or keeps none."""
    return next((Path(folder) for url, folder in _announcements() if url == api_url and folder), None)


def telemetry_folders() -> list[Path]:
    """Of the systems that run here, and of the last runs; the newest first."""
    running = [Path(folder) for _, folder in _announcements() if folder]
    ended = sorted(_RUNS_DIR.glob(f"run-*/{TELEMETRY_FOLDER}"), reverse=True)
    return list(dict.fromkeys([*running, *ended]))


def _announcements() -> Iterator[tuple[str, str]]:
    """Address and folder of each system that runs here, the newest first."""
    for address in sorted(_RUNS_DIR.glob("api-url-*"), reverse=True):
        if _is_running(int(address.name.rsplit("-", 1)[1])):
            url, _, folder = address.read_text(encoding="utf-8").partition("\n")
            yield url, folder
        else:
            address.unlink(missing_ok=True)  # of one that was killed
