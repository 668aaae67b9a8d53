"""What the command keeps on this machine: a folder for each run, the model, the address of the running system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import LocalStackError
from shared.models import models

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
MODELS_DIR = ROOT / ".cache" / "models"
OUT_DIR = ROOT / "out"
_RUNS_DIR = ROOT / ".local"
#: Logs of so many runs are kept.
_KEPT_RUNS = 5
_UNTRAINED = "untrained-tiny-wan"


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


def model_is_built() -> bool:
    """Whether the untrained model of this version lies in the cache. Does not import torch."""
    folder = MODELS_DIR / models()[_UNTRAINED].source
    marker = folder / "RECIPE_REVISION"
    return marker.is_file() and marker.read_text(encoding="utf-8").strip() == models()[_UNTRAINED].revision


def build_model() -> None:
    """Build the untrained model. Raises `LocalStackError` with the reason."""
    folder = MODELS_DIR / models()[_UNTRAINED].source
    done = subprocess.run(
        [sys.executable, "-m", "gpu_job.untrained_model", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        hint = " Run `make setup` first." if "No module named" in reason[-1] else ""
        raise LocalStackError(f"The model could not be built: {reason[-1]}{hint}")


@contextmanager
def announced(api_url: str) -> Iterator[None]:
    """While inside, other terminals find the running system without being told."""
    _RUNS_DIR.mkdir(exist_ok=True)
    address = _RUNS_DIR / f"api-url-{time.time_ns()}-{os.getpid()}"
    address.write_text(api_url, encoding="utf-8")
    try:
        yield
    finally:
        address.unlink(missing_ok=True)


def announced_url() -> str | None:
    """Address of the system that was started last of those that run on this machine, if there is one."""
    for address in sorted(_RUNS_DIR.glob("api-url-*"), reverse=True):
        if _is_running(int(address.name.rsplit("-", 1)[1])):
            return address.read_text(encoding="utf-8")
        address.unlink(missing_ok=True)  # of one that was killed
    return None
