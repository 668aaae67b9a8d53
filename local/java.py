"""A Java that is new enough.

In: the environment and the oldest version that will do. Out: a `JavaFound`, or an `EmulatorMissingError` of one line.
`java -version` takes 30 ms; it is asked of one candidate after the other until one will do.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import EmulatorMissingError

#: What the Firestore jars up to 1.19 need (class files of version 55). A later jar says itself what it needs.
MIN_JAVA_MAJOR = 11

#: Where installers put Java without putting it on the PATH (Homebrew), or beside an older one (Debian).
_PLACES = (
    ("/usr/lib/jvm", "*/bin/java"),
    ("/Library/Java/JavaVirtualMachines", "*/Contents/Home/bin/java"),
    ("/opt/homebrew/opt", "openjdk*/bin/java"),
    ("/usr/local/opt", "openjdk*/bin/java"),
)
_GET_IT = "install one (Debian, Ubuntu: apt-get install default-jre-headless; macOS: brew install openjdk)"


@dataclass(frozen=True, kw_only=True)
class JavaFound:
    """A Java that answered `java -version`."""

    path: Path
    #: 8, 11, 17, 21, ...
    major: int


def find_java(*, min_major: int = MIN_JAVA_MAJOR, environ: Mapping[str, str] = os.environ) -> JavaFound:
    """The first that is new enough: of JAVA_HOME, of the PATH, of the places where installers put it.

    Raises `EmulatorMissingError`.
    """
    too_old: JavaFound | None = None
    for path in _candidates(environ):
        major = _major(path)
        if major is not None and major >= min_major:
            return JavaFound(path=path, major=major)
        if major is not None and too_old is None:
            too_old = JavaFound(path=path, major=major)
    if too_old is not None:
        raise EmulatorMissingError(
            f"Java {min_major} or newer is missing (found {too_old.major} at {too_old.path}): {_GET_IT}."
        )
    raise EmulatorMissingError(f"Java is missing; the emulators need {min_major} or newer: {_GET_IT}.")


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(found)
    for folder, pattern in _PLACES:
        yield from sorted(Path(folder).glob(pattern))


def _major(path: Path) -> int | None:
    """None for what is no working Java, such as the stub that macOS has at /usr/bin/java."""
    try:
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Java 8 calls itself 1.8; JAVA_TOOL_OPTIONS prints a line before the version.
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match and answer.returncode == 0 else None
