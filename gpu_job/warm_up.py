"""Warming up: a clip that nobody asked for, so that the first one that somebody asks for finds all ready.

Enters: the models that a worker serves. Leaves: its renderer with the first of them loaded, and compiled.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from gpu_job.heartbeat import WORK_THREAD, Interrupted, PreemptedError
from gpu_job.renderer import RenderStopped, UnfitError
from shared.perspectives import perspectives
from shared.requests import Offer, Request, fill_in, render_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_job.heartbeat import Inbox
    from gpu_job.renderer import Renderer
    from shared.documents import Stage
    from shared.requests import RenderSpec

log = logging.getLogger(__name__)

#: Of a model that takes many: the first step compiles, the second shows that it did.
STEPS = 2
#: How soon the end of the clip is noticed.
LOOK_S = 0.1


def warm_up(served: tuple[str, ...], *, renderer: Callable[[], Renderer], inbox: Inbox) -> None:
    """Draw a clip of the first model's first size and length in a second thread, and throw it away.

    Raises:
        PreemptedError: the worker is told to go meanwhile; the thread may still be at it.
        UnfitError: it can't be drawn, so others could not be either.
    """
    watch, begun, ended = _Watch(), time.monotonic(), queue.SimpleQueue[Exception | None]()

    def draw() -> None:
        try:
            for _ in renderer().render(_spec(served), watch=watch):
                pass
            ended.put(None)
        except Exception as exc:  # noqa: BLE001 - carried over to the main thread, which decides
            ended.put(exc)

    threading.Thread(target=contextvars.copy_context().run, args=(draw,), name=WORK_THREAD, daemon=True).start()
    while ended.empty():
        try:
            if isinstance(inbox.get(timeout=LOOK_S), Interrupted):
                watch.stop.set()
                raise PreemptedError
        except queue.Empty:
            continue
    if error := ended.get():
        msg = f"this worker can't render with {served[0]}: {error}"
        raise UnfitError(msg) from error
    seconds = round(time.monotonic() - begun, 3)
    log.info("warmed up", extra={"action": "warm_up", "model": served[0], "seconds": seconds})


class _Watch:
    def __init__(self) -> None:
        self.stop = threading.Event()

    def moved(self, stage: Stage, done: int, total: int) -> None:  # noqa: ARG002 - nobody asks how far it is
        if self.stop.is_set():
            raise RenderStopped

    def previewed(self, path: str) -> None:
        """Nobody waits for a preview."""


def _spec(served: tuple[str, ...]) -> RenderSpec:
    offer = Offer(served=served, seed_pool=1)
    request = fill_in(Request(perspective=next(iter(perspectives()))), job_id="warm-up", offer=offer)
    spec = render_spec(request, owner="nobody", offer=offer)
    return spec if spec.sampler else spec.model_copy(update={"steps": min(STEPS, spec.steps)})
