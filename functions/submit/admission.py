"""What stands between a good request and a job: quotas, the global limit, and whether the prompt may be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.safety import moderate

if TYPE_CHECKING:
    from backlog import Backlog
    from quotas import Quotas

    from shared.requests import Request
    from shared.safety import Moderator


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The limits of a deployment, and who judges prompts: each moderator in turn; the first that refuses decides."""

    quotas: Quotas
    backlog: Backlog
    moderators: tuple[Moderator, ...]

    def check_prompt(self, request: Request) -> None:
        """Refuse what must not be drawn. Raises `Rejected`, ``prompt_refused``, with the category."""
        if request.prompt is not None:
            moderate(request.prompt, moderators=self.moderators)
