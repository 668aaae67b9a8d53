"""Says what is being done, and how long it took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Stopwatch:
    """Prints a line for each thing that is finished: seconds since the start, and what it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._told_percent = -1

    def lap(self, what: str) -> None:
        """Something is finished."""
        self._console.print(f"  {time.monotonic() - self._begun:5.1f} s  {what}", highlight=False, soft_wrap=True)

    def note(self, what: str) -> None:
        """Something that people should know."""
        self._console.print(f"  {what}", style="yellow", highlight=False, soft_wrap=True)

    def download(self, what: str, done_bytes: int, total_bytes: int) -> None:
        """A download goes on; said at every tenth part."""
        percent = 10 * (10 * done_bytes // max(1, total_bytes))
        if percent != self._told_percent:
            self._told_percent = percent
            self.lap(f"downloading {what}: {percent} % of {total_bytes / 1e6:.0f} MB")
