"""Answers that are kept for a moment, so that many who ask cost no more than one. Enters: a clock. Leaves: answers."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Kept(Generic[T]):
    """Thread-safe: who asks while somebody finds out waits for what comes of it, be it an error, and for nothing else.

    Args:
        kept_s: how long an answer is used again, in seconds.
        monotonic: a clock in seconds.
    """

    def __init__(self, kept_s: float, *, monotonic: Callable[[], float]) -> None:
        self._kept_s = kept_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked: dict[Hashable, tuple[float, Future[T]]] = {}

    def answer(self, question: Hashable, find_out: Callable[[], T]) -> T:
        """The answer to a question; what ``find_out`` raises is no answer, and is raised."""
        with self._lock:
            now = self._monotonic()
            self._asked = {
                key: (asked_at, found)
                for key, (asked_at, found) in self._asked.items()
                if not found.done() or now - asked_at < self._kept_s
            }
            is_asked = question in self._asked
            _, found = self._asked.setdefault(question, (now, Future()))
        if not is_asked:
            try:
                found.set_result(find_out())
            except BaseException as exc:  # noqa: BLE001 - whatever it is, all who wait must hear of it
                with self._lock:
                    del self._asked[question]
                found.set_exception(exc)
        return found.result()
