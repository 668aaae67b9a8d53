"""Building the page, where there is Node: ``frontend/dist``. Without Node the system does without it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from local.bundles import ROOT
from local.errors import PageBrokenError, PageLeftOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FRONTEND: Final = ROOT / "frontend"
#: The host's emulator and Lighthouse, which only tests need: four times as large as all else.
TOOLS: Final = FRONTEND / "tools"
#: What Vite needs.
NODE: Final = (20, 19)
#: Packages come over the network.
INSTALL_S: Final = 600
BUILD_S: Final = 300
#: npm writes it last.
_INSTALLED: Final = "node_modules/.package-lock.json"
#: Made, or not part of the page.
_ASIDE: Final = {"node_modules", "dist", "e2e", "tools"}


def built_page(*, log_path: Path, say: Callable[[str], None], frontend: Path = FRONTEND) -> Path:
    """The folder of the built page; built anew when something in it has changed since.

    Args:
        log_path: hears npm.
        say: hears of what takes long, before it begins.
        frontend: where the sources are.

    Raises:
        PageLeftOutError: it can't be built; the system does without. `PageBrokenError`: it has a fault.
    """
    dist = frontend / "dist"
    if _is_fresh(frontend, dist / "index.html"):
        return dist
    npm = _npm(frontend)
    if not _is_installed(frontend):
        say("installing the page's packages (a minute) ...")
        install_packages(frontend, log_path=log_path)
    say("building the page ...")
    try:
        _run([npm, "run", "build"], cwd=frontend, log=log_path, limit_s=BUILD_S)
    except PageLeftOutError as exc:
        raise PageBrokenError(str(exc)) from exc
    return dist


def install_packages(folder: Path, *, log_path: Path) -> None:
    """Install what the lockfile of a folder names, unless that was done since it changed; ``log_path`` hears npm.

    Raises:
        PageLeftOutError: there is no Node, or its packages can't be fetched.
    """
    npm = _npm(folder)
    if _is_installed(folder):
        return
    argv = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run(argv, cwd=folder, log=log_path, limit_s=INSTALL_S)
    (folder / _INSTALLED).touch()


def node_version(text: str) -> tuple[int, int]:
    """Of what ``node --version`` prints; (0, 0) when that is something else."""
    found = re.match(r"v(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _npm(frontend: Path) -> str:
    wanted = ".".join(map(str, NODE))
    if not (frontend / "package.json").is_file():
        raise PageLeftOutError("its sources are not here.")
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise PageLeftOutError(f"it needs Node {wanted} or newer, with npm.")
    printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    if node_version(printed) < NODE:
        raise PageLeftOutError(f"it needs Node {wanted} or newer, and this is {printed.strip() or 'unknown'}.")
    return npm


def _run(argv: list[str], *, cwd: Path, log: Path, limit_s: float) -> None:
    what = " ".join(["npm", *argv[1:3]])
    # The page that is served here learns where it is by /config.json, not by its build.
    env = {name: value for name, value in os.environ.items() if not name.startswith("VITE_")}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            subprocess.run(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=limit_s,
                check=True,
            )
        except (subprocess.SubprocessError, OSError) as exc:
            raise PageLeftOutError(f"`{what}` failed; see {log}") from exc


def _is_installed(folder: Path) -> bool:
    return _is_newer(folder / _INSTALLED, folder / "package-lock.json")


def _is_fresh(frontend: Path, page: Path) -> bool:
    return page.is_file() and all(_is_newer(page, source) for source in _sources(frontend))


def _is_newer(made: Path, source: Path) -> bool:
    return made.is_file() and (not source.exists() or made.stat().st_mtime >= source.stat().st_mtime)


def _sources(frontend: Path) -> Iterator[Path]:
    for path in frontend.iterdir():
        if path.name not in _ASIDE:
            yield from (each for each in (path, *path.rglob("*")) if each.is_file())
