"""The settings of ``gpu_job``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from shared.budget import BudgetSettings
from shared.models import in_the_catalogue
from shared.settings import Names

#: Name of a version of a secret, as Secret Manager gives it.
VERSION_PATTERN: Final = r"projects/[a-z0-9-]{1,63}/secrets/[A-Za-z0-9_-]{1,255}/versions/(latest|[1-9][0-9]{0,9})"


class WorkerSettings(BudgetSettings):
    """Environment of a worker."""

    artifact_bucket: str
    """Bucket that the videos go to."""
    models_dir: Path = Path("models/weights")
    """Folder with a folder for each model that does not come from the hub."""
    served_models: Annotated[Names, Field(min_length=1), AfterValidator(in_the_catalogue)] = ("pocket",)
    """Models that this worker renders with, comma-separated; renders of others are left to other workers."""
    warm_up: bool = False
    """Whether a new worker loads the first of them and draws a clip before it asks for work."""
    ready_file: Path | None = None
    """File that a worker creates when it begins to ask for work, for a probe; none when empty."""
    kernels_dir: Path | None = None
    """Folder where compiled kernels are kept for later workers, as a mounted bucket; they are not when empty."""
    signing_identity: str | None = None
    """Who signs the videos: a PEM file with a private key and its certificates, or a version of a secret,
    ``projects/…/secrets/…/versions/…``; they are not signed when empty, nor while the secret has no version."""
    device: str | None = None
    """Torch device, such as ``cuda:0``; the best there is when empty."""
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """CPU threads of torch; all cores when empty. Another number gives other last bits on a CPU."""
    patience_s: Annotated[float, Field(ge=0, le=600)] = 10
    """How long a new worker waits for its first message, in seconds."""
    warm_s: Annotated[float, Field(ge=0, le=86_400)] = 300
    """How long a worker stays with its model loaded when the queue is empty, in seconds."""
    lease_s: Annotated[int, Field(ge=30, le=600)] = 60
    """Length of a lease and of the message's deadline, in seconds: so soon is a crash noticed."""
    retry_backoff_s: Annotated[float, Field(ge=0, le=600)] = 10
    """Wait before the second attempt at a render, in seconds; it doubles with each further one."""
    hostname: str = "worker"
    """Name of the pod; part of the lease's holder."""
