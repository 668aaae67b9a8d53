"""A Java that is new enough.

In: the environment and the oldest version that will do. Out: the path of the program, or an `EmulatorMissingError` of
one line. `java -version` takes 30 ms; it is asked of one candidate after the other until one will do.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping

from local.errors import EmulatorMissingError

#: Homebrew's openjdk is not on the PATH.
_PLACES = ("/opt/homebrew/opt/openjdk/bin/java", "/usr/local/opt/openjdk/bin/java")


def find_java(*, min_major: int, environ: Mapping[str, str]) -> str:
    """The first that is new enough: of JAVA_HOME, of the PATH, of Homebrew. Raises `EmulatorMissingError`."""
    home = environ.get("JAVA_HOME")
    candidates = [f"{home}/bin/java" if home else None, shutil.which("java", path=environ.get("PATH", "")), *_PLACES]
    too_old = ""
    for path in filter(None, candidates):
        major = _major(path)
        if major >= min_major:
            return path
        if major:
            too_old = too_old or f" (Java {major} at {path} is too old)"
    raise EmulatorMissingError(
        f"Java {min_major} or newer is missing{too_old}: install one (Debian, Ubuntu: apt-get install "
        "default-jre-headless; macOS: brew install openjdk) or name one by JAVA_HOME."
    )


def _major(path: str) -> int:
    """8, 11, 17, 21, …; 0 for what is no working Java, such as the stub that macOS has at /usr/bin/java."""
    try:
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    # Java 8 calls itself 1.8; JAVA_TOOL_OPTIONS prints a line before the version.
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match.group(1)) if match and answer.returncode == 0 else 0
