"""Weights of models, brought to the bucket that the workers mount: ``python terraform/weights.py``.

Enters: the models that are served, as the catalogue names them. Leaves: a folder of each in the bucket, by its source.
What comes from the hub goes through this machine; it may be stopped, and goes on where it was.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from commands import DeploymentError, need, run, succeeds
from first_phase import ROOT, read_cluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Models that ship with the repository.
SHIPPED: Final = ROOT / "models" / "weights"
FETCHED: Final = ROOT / ".cache" / "weights"


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What a worker looks for in its ``MODELS_DIR``."""

    #: Its name: a hub id, or a folder that ships with the repository.
    source: str
    revision: str
    #: The one file that is needed of it; None: all.
    file: str | None = None

    @property
    def proof(self) -> str:
        """A file that is there when the folder is."""
        return f"{self.source}/{self.file or 'model_index.json'}"


def folders(served: Sequence[str]) -> list[Folder]:
    """The folders that these models are loaded from, their adapters' too."""
    from shared.models import models  # noqa: PLC0415 - reading the catalogue takes a second

    found: list[Folder] = []
    for model in (models()[each] for each in served):
        found.append(Folder(source=model.source, revision=model.revision))
        found += [Folder(source=each.source, revision=each.revision, file=each.file) for each in model.adapters]
    return found


def missing_weights(cluster: Mapping[str, Any]) -> list[str]:
    """Those that the bucket does not have."""
    return [
        each.source
        for each in _folders(cluster)
        if not succeeds("gcloud", "storage", "ls", f"gs://{cluster['weights_bucket']}/{each.proof}")
    ]


def bring(cluster: Mapping[str, Any] | None) -> None:
    """Copy all of them into the bucket; what is there already is not copied again.

    Raises:
        DeploymentError: there is no bucket yet, or a program is missing or failed.
    """
    if cluster is None:
        raise DeploymentError("There is no bucket for them yet: make deploy")
    wanted = _folders(cluster)
    need("gcloud", *(["hf"] if any(not (SHIPPED / each.source).is_dir() for each in wanted) else []))
    for each in wanted:
        place = SHIPPED / each.source
        if not place.is_dir():
            place = FETCHED / each.source
            files = [each.file] if each.file else []
            run("hf", "download", each.source, *files, f"--revision={each.revision}", f"--local-dir={place}")
        # Not the notes that the hub's client keeps of what it has fetched.
        target = f"gs://{cluster['weights_bucket']}/{each.source}"
        run("gcloud", "storage", "rsync", "--recursive", r"--exclude=(^|.*/)\..*", str(place), target)


def _folders(cluster: Mapping[str, Any]) -> list[Folder]:
    return folders(str(cluster["served_models"]).split(","))


def main() -> None:
    """Bring what the deployment serves."""
    try:
        need("terraform", "gcloud")
        bring(read_cluster())
    except DeploymentError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
