"""The command's own spans: from the wish to the first sight of a final job. Kept beside those of the system.

Of a system elsewhere nothing is kept: it begins its trace where the wish comes in.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.here import telemetry_of
from shared.tracing import FLUSH_S, recording

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def kept_beside(api_url: str) -> Iterator[None]:
    """Record what happens inside, where the system at that address runs on this machine."""
    folder = telemetry_of(api_url)
    if folder is None:
        yield
        return
    from shared.otel import recorder_of  # noqa: PLC0415 - takes a moment, for a system on this machine alone

    recorder = recorder_of(f"file:{folder}", service="cli", project="here")
    with recording(recorder):
        yield
    recorder.flush(at_most_s=FLUSH_S, is_last=True)
