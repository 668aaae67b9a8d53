"""What stands between a good request and a job: quotas, the global limit, and whether the prompt may be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backlog import overloaded

from shared.requests import Priority
from shared.safety import moderate

if TYPE_CHECKING:
    from backlog import Backlog
    from quotas import Quotas

    from shared.budget import Budget
    from shared.errors import Rejected
    from shared.requests import Request
    from shared.safety import Moderator


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The limits of a deployment, and who judges prompts: each moderator in turn; the first that refuses decides."""

    quotas: Quotas
    backlog: Backlog
    budget: Budget
    moderators: tuple[Moderator, ...]

    def refusal_of_work(self, priority: Priority) -> Rejected | None:
        """Why nothing new is taken: the queue is full, or the day's budget is spent. Bulk waits until there is another.

        Raises:
            Retryable, StoreNotReadyError: it can't be known.
        """
        if self.backlog.is_full(priority):
            return overloaded()
        if priority is Priority.INTERACTIVE and self.budget.is_spent():
            return self.budget.refusal()
        return None

    def check_prompt(self, request: Request) -> None:
        """Refuse what must not be drawn. Raises `Rejected`, ``prompt_refused``, with the category."""
        if request.prompt is not None:
            moderate(request.prompt, moderators=self.moderators)
