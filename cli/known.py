"""A perspective by its name, or a hint at what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from shared.perspectives import perspectives

if TYPE_CHECKING:
    from shared.perspectives import Perspective

#: Alike enough to be what somebody meant.
NEAR = 0.7


def known(perspective: str) -> Perspective:
    """The one of that name. Raises a click error that names those that are near."""
    there_are = perspectives()
    if perspective in there_are:
        return there_are[perspective]
    near = get_close_matches(perspective.lower(), there_are, cutoff=NEAR)
    near += [name for name in there_are if perspective.lower() in name.split("-") and name not in near]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(there_are)}."
    raise click.BadParameter(f"there is no {perspective}; {hint}", param_hint="PERSPECTIVE")
