"""The command's own spans and measures: from the wish to the first sight of a final job, and what an operator did.

Kept beside those of the system.

Of a system elsewhere nothing is kept: it begins its trace where the wish comes in.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.here import telemetry_of
from shared.tracing import recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def kept_beside(api_url: str) -> Iterator[None]:
    """Record what happens inside, where the system at that address runs on this machine."""
    with kept_in(telemetry_of(api_url)):
        yield


@contextmanager
def kept_in(folder: Path | None) -> Iterator[None]:
    """Record what happens inside in a file there; None: nowhere."""
    if folder is None:
        yield
        return
    from shared.otel import recorder_of  # noqa: PLC0415 - takes a moment, for a system on this machine alone

    recorder = recorder_of(f"file:{folder}", service="cli", project="here")
    try:
        with recording(recorder):
            yield
    finally:
        recorder.close()
