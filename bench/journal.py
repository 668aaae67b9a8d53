"""What a run on a borrowed machine found. Enter: measures one by one. Leave: lines of JSON, each as soon as known.

A measure begins where the time that is left suffices for it; one that fails is a line too, and the next one begins. So
a run that is stopped at any moment has lost nothing but the measure it was at.
"""

from __future__ import annotations

import json
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Of why a measure failed.
REASON_CHARS = 200
#: Digits of a figure that are worth reading.
DIGITS = 5


class Journal:
    """Writes to a file and to the terminal.

    Args:
        path: lines are appended to it, if it is given.
        limit_s: seconds after ``begun`` when the last measure must have ended.
        begun: when the run began, by `time.monotonic`.
    """

    def __init__(self, path: Path | None, *, limit_s: float, begun: float) -> None:
        self._path = path
        self._limit_s = limit_s
        self._begun = begun

    @property
    def elapsed_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._begun

    @property
    def left_s(self) -> float:
        """Until the last measure must have ended."""
        return self._limit_s - self.elapsed_s

    def note(self, measure: str, **figures: object) -> None:
        """Write a line."""
        line = {"measure": measure, "at_s": round(self.elapsed_s, 1)} | {k: _short(v) for k, v in figures.items()}
        text = json.dumps(line, allow_nan=False)
        print(text, flush=True)
        if self._path:
            with self._path.open("a") as file:
                file.write(text + "\n")

    def attempt(self, measure: str, work: Callable[[], dict[str, Any]], *, takes_s: float) -> dict[str, Any]:
        """Do a measure that is thought to take so long, and write down what it found, or why it did not.

        Returns:
            The figures; none where it was skipped or failed.
        """
        if takes_s > self.left_s:
            self.note(measure, skipped=f"{takes_s:.0f} s are not left")
            return {}
        begun = time.monotonic()
        try:
            figures = work()
        except Exception as exc:  # noqa: BLE001 - the next measure is to begin
            at = traceback.extract_tb(exc.__traceback__)[-1]
            reason = f"{type(exc).__name__}: {exc}"[:REASON_CHARS]
            self.note(measure, failed=reason, at=f"{at.filename.rsplit('/', 1)[-1]}:{at.lineno}")
            return {}
        self.note(measure, **figures, took_s=time.monotonic() - begun)
        return figures


def _short(value: object) -> object:
    if isinstance(value, float):
        if value in (float("inf"), float("-inf")) or value != value:  # noqa: PLR0124 - not a number
            return str(value)
        return float(f"{value:.{DIGITS}g}")
    return value
