"""What the command keeps on this machine: a folder for each run, the models, the address of the running system."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.run_folder import TELEMETRY_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What a running system says of itself."""

    api_url: str
    #: For Google's clients; empty when it runs embedded, where nobody else can look.
    env: Mapping[str, str]
    #: Where its logs are; None: it does not say.
    run_dir: Path | None


@contextmanager
def announced(api_url: str, *, env: Mapping[str, str] | None = None, run_dir: Path | None = None) -> Iterator[None]:
    """While inside, other terminals find the running system without being told, its logs and its spans."""
    _RUNS_DIR.mkdir(exist_ok=True)
    said = {"api_url": api_url, "env": dict(env or {}), "run_dir": str(run_dir) if run_dir else None}
    address = _RUNS_DIR / f"system-{time.time_ns()}-{os.getpid()}"
    aside = address.with_name(f".{address.name}")  # whoever looks meanwhile reads all of it or nothing
    aside.write_text(json.dumps(said), encoding="utf-8")
    aside.replace(address)
    try:
        yield
    finally:
        address.unlink(missing_ok=True)


def announcement() -> Announcement | None:
    """The system that was started last of those that run on this machine, if there is one."""
    return next(_announcements(), None)


def announced_url() -> str | None:
    """Address of the API of that system."""
    found = announcement()
    return found.api_url if found else None


def telemetry_of(api_url: str) -> Path | None:
    """Where the system at that address keeps its spans; None where it does not run on this machine, or keeps none."""
    found = (each.run_dir for each in _announcements() if each.api_url == api_url)
    return next((run_dir / TELEMETRY_FOLDER for run_dir in found if run_dir), None)


def telemetry_folders() -> list[Path]:
    """Of the systems that run here, and of the last runs; the newest first."""
    running = [each.run_dir / TELEMETRY_FOLDER for each in _announcements() if each.run_dir]
    ended = sorted(_RUNS_DIR.glob(f"run-*/{TELEMETRY_FOLDER}"), reverse=True)
    return list(dict.fromkeys([*running, *ended]))


def _announcements() -> Iterator[Announcement]:
    """What the systems say that run here, the newest first."""
    for address in sorted(_RUNS_DIR.glob("system-*"), reverse=True):
        if not _is_running(int(address.name.rsplit("-", 1)[1])):
            address.unlink(missing_ok=True)  # of one that was killed
            continue
        try:
            said = json.loads(address.read_text(encoding="utf-8"))
        except FileNotFoundError:  # it ended in this moment
            continue
        run_dir = Path(said["run_dir"]) if said["run_dir"] else None
        yield Announcement(api_url=said["api_url"], env=said["env"], run_dir=run_dir)
