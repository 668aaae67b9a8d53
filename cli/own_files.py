"""A person's own files, as ``lifeasnotme see`` reads and writes them: what pictures and videos have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Longest edge in pixels; larger pictures are made smaller, since no eye of the catalogue needs more.
MAX_EDGE = 1920


class NotSeenError(Exception):
    """The file can't be seen; the message says why, for people."""


@contextmanager
def whole(output: Path) -> Iterator[Path]:
    """Where to write, so that nobody ever finds half a file under its name."""
    part = output.with_name(f".{output.name}.part")
    try:
        yield part
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def smaller(size: tuple[int, int], to: tuple[int, int]) -> str:
    """What to say of a file whose pixels were too many."""
    return f"Seen at {to[0]}x{to[1]}, not {size[0]}x{size[1]}: an edge has {MAX_EDGE} pixels at most."
