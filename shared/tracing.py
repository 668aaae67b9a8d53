"""Spans and measures, whoever they are told to. Nothing is recorded, and nothing imported for it, until `start`.

A trace begins at the client, or at the door where the client brings none, and goes on wherever its ``traceparent``
(https://www.w3.org/TR/trace-context/) is carried: in requests, messages and documents. Recording never raises and
never waits for long: who renders does not fail since nobody looks.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from pydantic import AfterValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from shared.measures import Measure

log = logging.getLogger(__name__)

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
#: What the setting may be.
_EXPORTER: Final = re.compile(r"none|console|file:.+|gcp:[a-z]+(?:-[a-z]+)+[0-9]+")
#: The longest that the end of a call, or of a worker, waits for what was recorded to be sent.
FLUSH_S: Final = 1.0


def _known(value: str) -> str:
    if not _EXPORTER.fullmatch(value):
        raise ValueError("must be none, console, file:FOLDER or gcp:REGION")
    return value


#: ``none``, ``console``, ``file:FOLDER`` or ``gcp:REGION``.
Exporter = Annotated[str, AfterValidator(_known)]


class Recorder(Protocol):
    """Takes spans and measures. Used by many threads."""

    def span(self, name: str, *, parent: str | None, attributes: Mapping[str, object]) -> AbstractContextManager[None]:
        """What happens inside, as a part of ``parent`` (a traceparent), else of the span around it."""

    def past_span(
        self, name: str, *, begun_ns: int, ended_ns: int, parent: str | None, attributes: Mapping[str, object]
    ) -> None:
        """What has happened, in nanoseconds since the epoch."""

    def note(self, attributes: Mapping[str, object]) -> None:
        """Say more of the span around it."""

    def traceparent(self) -> str | None:
        """Of the span around it; None where there is none."""

    def take(self, measure: Measure, value: float, labels: Mapping[str, str]) -> None:
        """See `Measure.take`."""

    def flush(self, *, at_most_s: float, is_last: bool = False) -> None:
        """Send what was recorded, or give up waiting; ``is_last``: measures too, however recent the last ones are."""


class _Nobody:
    """Records nothing."""

    def span(self, name: str, *, parent: str | None, attributes: Mapping[str, object]) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def past_span(
        self, name: str, *, begun_ns: int, ended_ns: int, parent: str | None, attributes: Mapping[str, object]
    ) -> None:
        """See `Recorder`."""

    def note(self, attributes: Mapping[str, object]) -> None:
        """See `Recorder`."""

    def traceparent(self) -> str | None:
        return None

    def take(self, measure: Measure, value: float, labels: Mapping[str, str]) -> None:
        """See `Recorder`."""

    def flush(self, *, at_most_s: float, is_last: bool = False) -> None:
        """See `Recorder`."""


class _Here:
    """The recorder of this process, as the root logger is its log."""

    recorder: Recorder = _Nobody()
    make: Callable[[], Recorder] | None = None
    lock = threading.Lock()
    #: Calls of a function that are being answered.
    calls = 0


def start(exporter: str, *, service: str, project: str) -> None:
    """Record from now on. Called once, by a room's composition root; what exports is imported at the first span."""
    if exporter == "none":
        return

    def make() -> Recorder:
        from shared.otel import recorder_of  # noqa: PLC0415 - the SDK takes longer to import than a queue to be empty

        return recorder_of(exporter, service=service, project=project)

    with _Here.lock:
        _Here.make = make


def recorder() -> Recorder:
    """Of this process."""
    if _Here.make is not None:
        with _Here.lock:
            if _Here.make is not None:
                try:
                    _Here.recorder = _Here.make()
                except Exception:  # no folder, no credentials: whatever it is, the work goes on
                    log.exception("telemetry can't be recorded", extra={"action": "telemetry"})
                _Here.make = None
    return _Here.recorder


@contextmanager
def recording(to: Recorder) -> Iterator[None]:
    """While inside, record there."""
    before, _Here.recorder = recorder(), to
    try:
        yield
    finally:
        _Here.recorder = before


def span(name: str, *, parent: str | None = None, **attributes: str | float | None) -> AbstractContextManager[None]:
    """What happens inside is a span: a part of ``parent`` where that is a traceparent, else of the span around it.

    An error that leaves it is named by its type alone: messages may hold anything.
    """
    return recorder().span(name, parent=_valid(parent), attributes=_said(attributes))


def past_span(
    name: str, *, begun_ns: int, ended_ns: int, parent: str | None = None, **attributes: str | float | None
) -> None:
    """What has happened was a span; see `span`. Times are nanoseconds since the epoch."""
    recorder().past_span(
        name, begun_ns=begun_ns, ended_ns=max(begun_ns, ended_ns), parent=_valid(parent), attributes=_said(attributes)
    )


def note(**attributes: str | float | None) -> None:
    """Say more of the span around it."""
    _Here.recorder.note(_said(attributes))


def traceparent() -> str | None:
    """Of the span around it, for whoever goes on with it; None where nothing is recorded."""
    return _Here.recorder.traceparent()  # a span around it is one of a recorder that is there


def ids_of(traceparent: str | None) -> tuple[str, str] | None:
    """Trace and span id of a W3C trace context; None where it is none."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return (match[1], match[2]) if match else None


def flush(*, at_most_s: float = FLUSH_S, is_last: bool = False) -> None:
    """Send what was recorded so far, if anything was. Waits no longer than that, sent or not."""
    _Here.recorder.flush(at_most_s=at_most_s, is_last=is_last)


def call_begins() -> None:
    """A function is called. Each of these is followed by `call_ends`."""
    with _Here.lock:
        _Here.calls += 1


def call_ends() -> None:
    """The last one that leaves sends what all have recorded: after it, an instance has no processor to do so."""
    with _Here.lock:
        _Here.calls -= 1
        is_last = _Here.calls == 0
    if is_last:
        flush()


@contextmanager
def call() -> Iterator[None]:
    """What happens inside answers a call that nobody waits for."""
    call_begins()
    try:
        yield
    finally:
        call_ends()


def _valid(traceparent: str | None) -> str | None:
    return traceparent if ids_of(traceparent) else None


def _said(attributes: Mapping[str, str | float | None]) -> dict[str, object]:
    return {name: value for name, value in attributes.items() if value is not None}
