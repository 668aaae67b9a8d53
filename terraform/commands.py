"""Other people's programs: whether they are there, and how they are run. Each shows what it says by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Where each comes from, for who lacks it.
SOURCES: Final = {
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "gcloud": "https://cloud.google.com/sdk/docs/install",
    "kubectl": "gcloud components install kubectl",
    "docker": "https://docs.docker.com/engine/install, or podman",
    "az": "https://learn.microsoft.com/cli/azure/install-azure-cli",
    "hf": "make setup",
}
#: What does as well.
INSTEAD: Final = {"docker": "podman"}


class DeploymentError(Exception):
    """It can't go on; the message says what to do."""


def need(*tools: str) -> None:
    """Make sure that these programs are there.

    Raises:
        DeploymentError: the message names all that are not, and where they come from.
    """
    missing = [f"{each} ({SOURCES[each]})" for each in tools if not find(each)]
    if missing:
        raise DeploymentError(f"Missing: {'; '.join(missing)}.")


def find(tool: str) -> str | None:
    """The program of that name or the one that does as well; None where neither is."""
    return next((each for each in (tool, INSTEAD.get(tool)) if each and shutil.which(each)), None)


def run(
    *argv: str, env: Mapping[str, str] | None = None, stdin: str | None = None, may_end_with: Sequence[int] = (0,)
) -> None:
    """Run a program to its end.

    Raises:
        DeploymentError: it failed.
    """
    done = subprocess.run(argv, env={**os.environ, **(env or {})}, input=stdin, text=True, check=False)
    _check(argv, done.returncode, may_end_with)


def output(*argv: str) -> str:
    """What a program writes, without the white space around it.

    Raises:
        DeploymentError: it failed.
    """
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    _check(argv, done.returncode, (0,))
    return done.stdout.strip()


def succeeds(*argv: str) -> bool:
    """Whether a program that is asked a question says yes; what it says besides is not shown."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _check(argv: Sequence[str], code: int, may_end_with: Sequence[int]) -> None:
    if code not in may_end_with:
        raise DeploymentError(f"{' '.join(argv[:3])} ended with {code}: see above.")
