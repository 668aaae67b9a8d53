"""Answers that are kept for a moment, so that many who ask cost no more than one. Enters: a clock. Leaves: answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Kept(Generic[T]):
    """Thread-safe: who asks while somebody finds out waits for that answer.

    Args:
        kept_s: how long an answer is used again, in seconds.
        monotonic: a clock in seconds.
    """

    def __init__(self, kept_s: float, *, monotonic: Callable[[], float]) -> None:
        self._kept_s = kept_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, T]] = {}

    def answer(self, question: Hashable, find_out: Callable[[], T]) -> T:
        """The answer to a question; what ``find_out`` raises is no answer, and is raised."""
        with self._lock:
            asked_at = self._monotonic()
            fresh = {key: each for key, each in self._answers.items() if asked_at - each[0] < self._kept_s}
            if question not in fresh:
                fresh[question] = asked_at, find_out()
            self._answers = fresh
            return fresh[question][1]
