"""The compiler of the drawing loops, with a type. Enters: a function over numbers. Leaves: it, as machine code."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")


def compiled(function: F) -> F:
    """The function, compiled at its first call in every process.

    No cache on disk: numba's looks at the file of the function only, not at those of the functions that it calls.
    """
    return cast("F", numba.njit(fastmath=True, cache=False, error_model="numpy")(function))


def inlined(function: F) -> F:
    """The same, at the place of every call: a surrounding costs more to hand on than many a loop to run."""
    return cast("F", numba.njit(fastmath=True, cache=False, error_model="numpy", forceinline=True)(function))
