"""What stands in place of real time, real threads and pixels while a run lasts."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from gpu_job import consumer, heartbeat, making, render_job
from gpu_job.encoder import Encoded
from gpu_job.heartbeat import HungError, PreemptedError
from gpu_job.message_source import memory
from gpu_job.tail import Film
from shared import transitions
from shared.documents import Stage
from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from gpu_job.render_job import Workshop
    from gpu_job.renderer import Renderer, Watch
    from gpu_job.tail import Target
    from shared.requests import RenderSpec
    from tests.simulation.scheduler import Scheduler


@contextmanager
def installed(scheduler: Scheduler) -> Iterator[None]:
    """Virtual time and threads in place of the real ones; no pixels, no log."""
    time = SimpleNamespace(monotonic=scheduler.monotonic)

    class Thread:
        def __init__(self, *, target: Callable[..., object], args: tuple[object, ...], name: str, daemon: bool) -> None:
            assert daemon
            self._name, self._run = name, partial(target, *args)

        def start(self) -> None:
            me = scheduler.current
            scheduler.spawn(f"{me.name} {self._name}", self._run, process=me.process)

    class ForbiddenTransition(transitions.ForbiddenTransitionError):
        """No case for production code, which catches it in some places: it must look at the state first."""

        def __init__(self, message: str) -> None:
            super().__init__(message)
            scheduler.crashes.append((scheduler.current, self))

    def render_one(message: Any, *, workshop: Workshop) -> None:
        try:
            render_job.render_job(message, workshop=workshop)
        except (Retryable, PreemptedError, HungError):
            raise
        except Exception as exc:
            scheduler.crashes.append((scheduler.current, exc))
            raise

    def film(spec: RenderSpec, *, renderer: Renderer, video: Target, watch: Watch, **_options: object) -> Film:
        for _ in renderer.render(spec, watch=watch):
            watch.moved(Stage.ENCODING, 1, 1)
        middle = np.zeros((1, 1, 3), np.uint8)
        encoded = Encoded(
            path=video.path, middle_frame=middle, width=64, height=64, frames=17, fps=16, duration_s=1.0, size_bytes=3
        )
        took = {"draw_s": 0, "see_s": 0, "encode_s": 0, "encode_human_view_s": 0, "whole_s": 0}
        return Film(video=encoded, human_view=None, samples=middle[None], **took, at_work={})

    threads = SimpleNamespace(Thread=Thread, Event=threading.Event, Lock=threading.Lock)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with ExitStack() as patches:
        replaced: list[tuple[ModuleType, str, object]] = [
            (heartbeat, "threading", threads),
            (consumer, "time", time),
            (consumer, "render_job", render_one),
            (making, "time", time),
            (making, "film", film),
            (making, "side_by_side", lambda *works: [work() for work in works]),
            (making, "poster", lambda _: b"jpg"),
            (making, "software", dict),
            (memory, "time", time),
            (transitions, "ForbiddenTransitionError", ForbiddenTransition),
            (render_job, "attend", partial(heartbeat.attend, monotonic=scheduler.monotonic)),
        ]
        for module, name, value in replaced:
            patches.enter_context(patch.object(module, name, value))
        try:
            yield
        finally:
            logging.disable(disabled)
