"""Settings from the environment: read in one place a room, validated, all faults reported together.

A room subclasses `Settings`; the environment variable of a field is its name in capitals.
``docs/settings.md`` lists them all; a test compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.errors import LifeAsNotMeError, faults_of
from shared.tracing import Exporter

if TYPE_CHECKING:
    from collections.abc import Mapping


class SettingsError(LifeAsNotMeError):
    """The environment is not usable; the message names every variable at fault."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


#: A comma-separated list.
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """What every room needs to know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, hide_input_in_errors=True
    )

    google_cloud_project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    """Project of Firestore and Pub/Sub."""
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """Least severity that is logged."""
    telemetry: Exporter = "none"
    """Where spans and metrics go: ``none``, ``console`` (standard output), ``file:FOLDER`` (a file a process), or
    ``gcp:REGION`` (Google Cloud; metrics are kept under that region)."""


S = TypeVar("S", bound=Settings)


def read_settings(schema: type[S], environ: Mapping[str, str]) -> S:
    """The settings of one room. Variables that it does not know are none of its business; empty ones count as unset.

    Raises:
        SettingsError: every fault in one message.
    """
    given = {name: environ[name.upper()] for name in schema.model_fields if environ.get(name.upper())}
    try:
        return schema.model_validate(given)
    except ValidationError as exc:
        faults = [f"{fault.field.upper()}: {fault.message}" for fault in faults_of(exc)]
        raise SettingsError("The environment has faults: " + "; ".join(faults)) from exc
