"""All catalogues at once, so that a broken file is told when a program starts, and not at somebody's wish."""

from __future__ import annotations

from typing import Final

from shared.catalogue import BrokenCatalogueError
from shared.models import models
from shared.perspectives import perspectives
from shared.plans import plans
from shared.prices import prices
from shared.themes import themes

#: In this order: a plan names themes.
CATALOGUES: Final = (perspectives, themes, models, plans, prices)


def read_catalogues() -> None:
    """Read them all; from now on they are in memory.

    Raises:
        BrokenCatalogueError: with all faults of all files of all catalogues.
    """
    faults: list[str] = []
    for catalogue in CATALOGUES:
        try:
            catalogue()
        except BrokenCatalogueError as exc:
            if str(exc) not in faults:  # a plan finds those of the themes again
                faults.append(str(exc))
    if faults:
        raise BrokenCatalogueError("\n".join(faults))
