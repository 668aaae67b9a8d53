"""What goes into the worker's image of this repository, and what the worker needs of it.

Enters: the Dockerfile, .dockerignore, the worker's code. Leaves: files by their path in the image. No engine is asked.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from local.bundles import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

DOCKERFILE = ROOT / "gpu_job" / "Dockerfile"
#: Where the worker is started.
WORKDIR = PurePosixPath("/app")
#: What the worker reads of the repository beside its code: the catalogues.
_DATA = ("shared/catalogue/*/*.toml",)
_MODULE = re.compile(r"(gpu_job|shared)(\.\w+)+")
_COPY = re.compile(r"COPY (?P<source>\S+) (?P<target>/\S+/)")


def copied_files(target: str) -> dict[str, Path]:
    """Files of this repository in the image of a target, by their path in it.

    Raises:
        ValueError: the Dockerfile copies in a form that is not known here.
    """
    copied: dict[str, Path] = {}
    ignored = _ignored()
    for line in _lines_of(target):
        if not line.startswith("COPY "):
            continue
        if not (found := _COPY.fullmatch(line)):
            raise ValueError(f"Not understood in the Dockerfile: {line}")
        source, into = ROOT / found["source"], PurePosixPath(found["target"])
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and not ignored(path.relative_to(ROOT).as_posix()):
                place = path.relative_to(source) if source.is_dir() else path.name
                copied[str(into / place)] = path
    return copied


def needed_files() -> dict[str, Path]:
    """Files of this repository that the worker imports, however late, or reads; by their path in the image."""
    found: set[Path] = {path for pattern in _DATA for path in ROOT.glob(pattern)}
    waiting = ["gpu_job.main"]
    while waiting:
        name = waiting.pop()
        path = ROOT / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if not path.is_file() or path in found:
            continue
        found.add(path)
        parents = [str(parent).replace("/", ".") for parent in PurePosixPath(name.replace(".", "/")).parents]
        waiting += [*parents[:-1], *(each for each in _imports(path) if each.split(".")[0] in {"gpu_job", "shared"})]
    return {str(WORKDIR / path.relative_to(ROOT).as_posix()): path for path in sorted(found)}


def imported_packages() -> set[str]:
    """Top-level packages of others that the worker imports, its standard library too."""
    code = [path for path in needed_files().values() if path.suffix == ".py"]
    return {name.split(".")[0] for path in code for name in _imports(path)} - {"gpu_job", "shared"}


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name may be a module of the package.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            names.append(node.value)  # what is imported by its name, as the classes of our own pipeline are
    return names


def _lines_of(target: str) -> list[str]:
    """Instructions of a stage and of those that it stands on."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text("utf-8")))
    stages = {
        found["name"]: (found["base"], found["lines"].splitlines())
        for found in re.finditer(r"(?ms)^FROM (?P<base>\S+) AS (?P<name>\S+)\n(?P<lines>.*?)(?=^FROM |\Z)", text)
    }
    lines: list[str] = []
    name = target
    while name in stages:
        name, own = stages[name]
        lines = [*own, *lines]
    return lines


def _ignored() -> Callable[[str], bool]:
    """By the rules of .dockerignore: the last one that speaks of a path, or of a folder that it lies in, decides."""
    rules = []
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            # ``**/`` is any folders or none, ``*`` anything but a slash.
            pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            rules.append((re.compile(f"{pattern}(/.*)?"), not line.startswith("!")))

    def is_ignored(path: str) -> bool:
        return next((ignores for pattern, ignores in reversed(rules) if pattern.fullmatch(path)), False)

    return is_ignored
