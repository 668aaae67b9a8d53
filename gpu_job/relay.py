"""A relay: stages of one work, each in a thread of its own. Enters: functions. Leaves: what they return.

The stages hand things on, and live and die together: what one of them raises stops the others where they wait for each
other, and is raised to whoever opened the relay. No thread outlives it. torch, FFmpeg and sockets let other threads run
while they work.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

T = TypeVar("T")
R = TypeVar("R")

#: Things that wait between two stages. With one, neither waits while both are as fast; each is some frames large.
AHEAD = 1


class _Stopped(BaseException):
    """Another stage failed. Not an `Exception`: no stage may take it for a fault of its own and go on."""


class Relay:
    """A context manager. Left once every stage has ended.

    Raises:
        Exception: what a stage, or what is inside of it, raised first.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if exc is not None:
            self._fail(exc)
        for thread in self._threads:
            thread.join()
        # Ctrl-C is nobody's fault, so it goes before.
        if self._error not in {None, exc} and (exc is None or isinstance(exc, Exception | _Stopped)):
            assert self._error is not None
            raise self._error

    def stage(self, name: str, work: Callable[[], R]) -> Stage[R]:
        """Begin work in a thread of its own, called so. It may use `Pipe`, and is expected to end once they end."""
        stage: Stage[R] = Stage()

        def run() -> None:
            try:
                stage.result = work()
            except BaseException as exc:  # noqa: BLE001 - raised by `__exit__`
                self._fail(exc)

        # Its log lines tell of the same job. A daemon, for workers that must go whatever it is doing.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return stage

    def pipe(self) -> Pipe[T]:
        """A way from one stage to one other."""
        return Pipe(self)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: self._error is not None or condition())
        if self._error is not None:
            raise _Stopped


class Stage(Generic[R]):
    """One of a relay."""

    #: What it returned; there once the relay was left.
    result: R


class Pipe(Generic[T]):
    """Between two stages: what is put in by the one is iterated over by the other; `AHEAD` things at most lie in it."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._things: deque[T] = deque()
        self._is_closed = False

    def put(self, thing: T) -> None:
        """Hand on. Waits while it is full."""
        changed = self._relay._changed  # noqa: SLF001 - one lock for all
        with changed:
            self._relay._wait_for(lambda: len(self._things) < AHEAD)  # noqa: SLF001
            self._things.append(thing)
            changed.notify_all()

    def close(self) -> None:
        """Say that nothing more comes."""
        with self._relay._changed:  # noqa: SLF001
            self._is_closed = True
            self._relay._changed.notify_all()  # noqa: SLF001

    def __iter__(self) -> Iterator[T]:
        changed = self._relay._changed  # noqa: SLF001
        while True:
            with changed:
                self._relay._wait_for(lambda: bool(self._things) or self._is_closed)  # noqa: SLF001
                if not self._things:
                    return
                thing = self._things.popleft()
                changed.notify_all()
            yield thing
            del thing


def side_by_side(*works: Callable[[], object]) -> None:
    """Do several things at once, and be done when all are.

    Raises:
        Exception: what failed first; the others have ended, too.
    """
    with Relay() as relay:
        for number, work in enumerate(works):
            relay.stage(f"beside-{number}", work)
