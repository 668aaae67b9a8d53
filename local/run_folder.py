"""What lies in the folder of a run, for those who look for it after the run has ended."""

from __future__ import annotations

from typing import Final

#: Spans and measures, a file a process.
TELEMETRY_FOLDER: Final = "telemetry"
