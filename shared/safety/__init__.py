"""Safety: which prompts are refused and which pictures are not shown. The seams; `blocklist` is the built-in moderator.

A decision is recorded without the words that it is about: their hash, the category and who decided.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from shared.errors import ErrorCode, Fault, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


class Category(StrEnum):
    """Why something is refused."""

    SEXUAL_MINORS = "sexual_minors"
    SEXUAL = "sexual"
    VIOLENCE = "violence"
    HATE = "hate"
    SELF_HARM = "self_harm"
    TERROR = "terror"


#: What people are told.
REASONS: Final[dict[Category, str]] = {
    Category.SEXUAL_MINORS: "sexualises children",
    Category.SEXUAL: "asks for nudity or sexual acts",
    Category.VIOLENCE: "asks for torture, mutilation or killing of people",
    Category.HATE: "asks for hatred against groups of people",
    Category.SELF_HARM: "asks for suicide or self-harm",
    Category.TERROR: "asks for terrorism or its praise",
}
#: What they are told of a picture.
SHOWS: Final[dict[Category, str]] = {
    Category.SEXUAL_MINORS: "sexualises children",
    Category.SEXUAL: "shows nudity or sexual acts",
    Category.VIOLENCE: "shows torture, mutilation or killing of people",
    Category.HATE: "shows hatred against groups of people",
    Category.SELF_HARM: "shows suicide or self-harm",
    Category.TERROR: "shows terrorism or its praise",
}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A decision against something."""

    category: Category
    #: Which rule, for whoever looks into a false alarm; never the text.
    rule: str


class Moderator(Protocol):
    """Judges prompts. A hosted one has its adapter here: it raises `Retryable` when it does not answer."""

    name: str

    def refusal(self, prompt: str) -> Refusal | None:
        """Why the prompt must not be drawn; None when it may be."""


class OutputCheck(Protocol):
    """Judges what was drawn, before anybody sees it. Raises `Retryable` when it does not answer."""

    def refusal(self, frames: NDArray[np.uint8]) -> Refusal | None:
        """Why these frames ``(N, H, W, 3)`` must not be shown; None when they may be."""


class NoOutputCheck:
    """The default: says nothing."""

    def refusal(self, frames: NDArray[np.uint8]) -> Refusal | None:  # noqa: ARG002 - of the seam
        """See `OutputCheck.refusal`."""
        return None


def moderate(prompt: str, *, moderators: Iterable[Moderator]) -> None:
    """Ask every moderator, until one refuses; the decision is recorded by the prompt's hash.

    Raises:
        Rejected: ``prompt_refused``, with the category as the code of the fault.
        Retryable: a moderator does not answer. Nothing is drawn that nobody has judged.
    """
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    for each in moderators:
        if refusal := each.refusal(prompt):
            decision = {"prompt_sha256": digest, "moderator": each.name, "category": refusal.category.value}
            log.warning("prompt refused", extra={"action": "moderate", **decision, "rule": refusal.rule})
            reason = REASONS[refusal.category]
            raise Rejected(
                f"A prompt that {reason} is not drawn.",
                code=ErrorCode.PROMPT_REFUSED,
                faults=[Fault(field="prompt", code=refusal.category.value, message=reason)],
            )
    log.info("prompt allowed", extra={"action": "moderate", "prompt_sha256": digest})
