"""Meddling: what others do right before a call of a double arrives. Somebody writes, or the network fails."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Meddling:
    """Acts by the method that they come before: one act a call, in order.

    An act may call the same double: nobody meddles with it while it acts. Or it raises `Retryable`.
    """

    def __init__(self) -> None:
        self._plans: dict[str, deque[Callable[[], object]]] = defaultdict(deque)

    def before(self, method: str, *acts: Callable[[], object]) -> None:
        """Plan for the next calls of a method, after what is planned for it already."""
        self._plans[method].extend(acts)

    def append(self, act: Callable[[], object]) -> None:
        """Plan for the next commit."""
        self.before("commit", act)

    def extend(self, acts: Iterable[Callable[[], object]]) -> None:
        """Plan for the next commits."""
        self.before("commit", *acts)

    def clear(self) -> None:
        """Plan nothing any more."""
        self._plans.clear()

    def happens(self, method: str) -> None:
        """For doubles: the method is called now."""
        if not self._plans[method]:
            return
        act, left = self._plans[method].popleft(), self._plans
        self._plans = defaultdict(deque)
        try:
            act()
        finally:
            self._plans = left
