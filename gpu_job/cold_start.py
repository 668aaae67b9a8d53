"""What a worker's start took, by phase. The wait for its node and its image is before it and is not seen from here."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.measures import START, Phase, SpanName
from shared.tracing import span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpu_job.renderer import Renderer
    from shared.documents import Usage


class ColdStart:
    """Tells each phase once, and nothing while there is no work: who finds none has no cold start to speak of.

    Args:
        process_s: seconds from the process's begin to the worker's first line; None where that is not known.
    """

    def __init__(self, *, process_s: float | None) -> None:
        self._process_s = process_s
        self._import_s = 0.0
        self._is_loaded = False
        self._has_rendered = False

    def imported(self, make: Callable[[], Renderer]) -> Renderer:
        """Make the renderer, which imports what it needs."""
        if self._process_s is not None:
            _tell(Phase.PROCESS, self._process_s)
        begun = time.monotonic()
        with span(SpanName.IMPORT):
            renderer = make()
        self._import_s = time.monotonic() - begun
        _tell(Phase.IMPORT, self._import_s)
        return renderer

    @contextmanager
    def warming(self, renderer: Callable[[], Renderer]) -> Iterator[None]:
        """A clip for nobody is drawn inside, by the renderer, which is made inside, too."""
        begun = time.monotonic()
        yield
        load_s = renderer().load_s
        self._loaded(load_s)
        _tell(Phase.WARM_UP, max(0.0, time.monotonic() - begun - self._import_s - load_s))

    def rendered(self, usage: Usage) -> None:
        """A video was made. Of the first one, it is told what it took."""
        if self._has_rendered:
            return
        self._has_rendered = True
        if usage.load_s:
            self._loaded(usage.load_s)
        _tell(Phase.FIRST_RENDER, max(0.0, usage.whole_s - usage.load_s))

    def _loaded(self, load_s: float) -> None:
        if not self._is_loaded:
            self._is_loaded = True
            _tell(Phase.LOAD, load_s)


def _tell(phase: Phase, seconds: float) -> None:
    START.take(seconds, phase=phase.value)


def process_age_s() -> float | None:
    """Seconds since this process began, to the 100th; None on a system that does not say so in ``/proc``."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        up_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    # Field 22 of proc(5); the first here is the third.
    return up_s - int(fields[19]) / os.sysconf("SC_CLK_TCK")
