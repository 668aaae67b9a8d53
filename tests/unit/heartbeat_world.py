"""A heartbeat's inbox by script, and work that waits: no second of a test is really waited for."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gpu_job.heartbeat import (
    Ended,
    Interrupted,
    Moved,
    attend,
)
from gpu_job.renderer import RenderStopped
from shared.documents import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_job.lease import Lease
    from gpu_job.renderer import Watch
    from tests.unit.worker_world import World

PATIENCE_S = 5.0
STOPPED = Ended(error=RenderStopped())


class Script(queue.SimpleQueue[Interrupted | Moved | Ended]):
    """An inbox that hears, at given times, what a test wrote down; waiting moves the world's clock and nothing else."""

    def __init__(self, world: World, *lines: tuple[float, Interrupted | Moved | Ended | Callable[[], None]]) -> None:
        super().__init__()
        self._clock = world.clock
        self._lines = list(lines)

    def put(self, *_: Any, **__: Any) -> None:
        """What the real thread says is not in the script."""

    def get(self, block: bool = True, timeout: float | None = None) -> Interrupted | Moved | Ended:  # noqa: FBT001, FBT002
        assert block
        assert timeout is not None
        give_up_at = self._clock.monotonic() + timeout
        while self._lines:
            at, line = self._lines[0]
            if at > give_up_at:
                break
            self._clock.pass_s(max(0.0, at - self._clock.monotonic()))
            del self._lines[0]
            if not callable(line):
                return line
            line()
        assert self._lines, "the script is over and the worker still listens"
        self._clock.pass_s(max(0.0, give_up_at - self._clock.monotonic()))
        raise queue.Empty


class Work:
    """Work that lasts until the test is over, and shows the watch that was given to it."""

    def __init__(self) -> None:
        self._watch: queue.SimpleQueue[Watch] = queue.SimpleQueue()
        self.over = threading.Event()

    def __call__(self, watch: Watch) -> None:
        self._watch.put(watch)
        self.over.wait(PATIENCE_S)

    def assert_stopped(self) -> None:
        with pytest.raises(RenderStopped):
            self._watch.get(timeout=PATIENCE_S).moved(Stage.RENDERING, 1, 4)


def rendering(step: int) -> Moved:
    return Moved(stage=Stage.RENDERING, done=step, total=4)


def listen(
    world: World, lease: Lease, work: Callable[[Watch], Any], *lines: Any, extend: Callable[[], None] = lambda: None
) -> Any:
    return attend(work, lease=lease, extend=extend, inbox=Script(world, *lines), monotonic=world.clock.monotonic)
