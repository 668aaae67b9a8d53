"""Who gets in, in tests: everybody, unless a test says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission import Admission
from backlog import Backlog
from quotas import Quotas

from shared.budget import Budget, BudgetSettings, Spending
from shared.requests import Priority
from shared.safety.blocklist import blocklist
from shared.testing import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.job_store import JobStore

QUOTAS = Quotas(jobs=1000, jobs_of_system=1000, gpu_s=1e6, gpu_s_of_system=1e6, jobs_per_address=1000)


def a_budget(store: JobStore, clock: Clock, **limits: float) -> Budget:
    """A budget of a day; without limits nothing is refused."""
    settings = BudgetSettings.model_validate({"google_cloud_project": "life-as-not-me", **limits})
    return Budget(settings, spending=Spending(store, now=clock.now, monotonic=clock.monotonic), now=clock.now)


def an_admission(
    store: JobStore,
    *,
    monotonic: Callable[[], float],
    quotas: Quotas = QUOTAS,
    most: int = 1_000_000,
) -> Admission:
    """Quotas and a backlog that hardly anybody notices, and the list of words that comes with the product."""
    backlog = Backlog(store, most=dict.fromkeys(Priority, most), monotonic=monotonic)
    return Admission(quotas=quotas, backlog=backlog, budget=a_budget(store, Clock()), moderators=(blocklist(),))
