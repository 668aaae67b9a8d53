"""A span for each stage of a render, by the movements that clients hear of, too.

A stage ends when all its parts are finished, or when a later one moves; the next begins there. So no second between two
stages is missing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from shared.documents import Stage
from shared.tracing import past_span

if TYPE_CHECKING:
    from gpu_job.renderer import Watch

_ORDER = tuple(Stage)


class StageSpans:
    """A `Watch` that hands everything on. Moved by any thread that knows the span of the render."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._at = 0
        self._begun_ns = time.time_ns()
        #: When all was denoised, in nanoseconds since the epoch; before that, when the render began.
        self.rendered_ns = self._begun_ns

    def moved(self, stage: Stage, done: int, total: int) -> None:
        """See `Watch.moved`."""
        with self._lock:
            reached = _ORDER.index(stage) + (done >= total)
            while self._at < min(reached, len(_ORDER)):  # never back: a render that starts over is in the same stage
                self._end()
        self._watch.moved(stage, done, total)

    def previewed(self, path: str) -> None:
        """See `Watch.previewed`."""
        self._watch.previewed(path)

    def stop(self) -> None:
        """The render is over, well or not: what it was in the middle of has ended."""
        with self._lock:
            if self._at < len(_ORDER):
                self._end()

    def _end(self) -> None:
        now_ns = time.time_ns()
        past_span(_ORDER[self._at].value, begun_ns=self._begun_ns, ended_ns=now_ns)
        if _ORDER[self._at] is Stage.RENDERING:
            self.rendered_ns = now_ns
        self._at, self._begun_ns = self._at + 1, now_ns
