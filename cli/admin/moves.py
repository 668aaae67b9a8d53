"""The moves that a person may make. Each is a transition of the one table in `shared.jobs`, by compare-and-set.

They are the use cases of the functions, called by hand: `placing.place` asks for a render again, `repairing.Repairer`
publishes a message again and ends a job.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.crew import Orders
from shared.documents import JobError, Status
from shared.errors import Conflict, ErrorCode, LifeAsNotMeError
from shared.job_store import Contest
from shared.jobs import new_job

if TYPE_CHECKING:
    from datetime import datetime

    from cli.admin.site import Site
    from shared.crew_store import StoredOrders
    from shared.documents import Job
    from shared.job_store import Stored

_FUNCTIONS: Final = Path(__file__).resolve().parents[2] / "functions"


class NoSuchMoveError(LifeAsNotMeError):
    """The job is in no state for it; the message says what would be."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a move did."""

    #: For people.
    said: str
    #: The job that waits for the render now; None: nobody does.
    job_id: str | None


def retry(job: Stored[Job], *, site: Site) -> Done:
    """Have a stuck job's message published again, or a failed job's render asked for again.

    Nothing leaves a final status, so a failed job stays as it is, and its owner gets a new one that waits for the same
    render. Its id is made of the failed one's: asking twice is asking once.

    Raises:
        NoSuchMoveError: there is nothing to be tried again.
        Retryable: a service does not answer.
    """
    if job.value.is_final and job.value.status is not Status.FAILED:
        raise NoSuchMoveError(f"The job is {job.value.status.value}: there is nothing to be tried again.")
    if job.value.is_final:
        return _ask_again(job.value, site=site)
    done = _repairer(site).repair(job.value.render_key or "", message_is_gone=True)
    if done is None:
        raise NoSuchMoveError("Its render is gone. It can only be failed; its owner may wish again.")
    return Done(said=f"Its render: {done}.", job_id=job.value.job_id)


def fail(job: Stored[Job], *, reason: str, site: Site) -> Done:
    """End a job that is not final. Its render stops by itself when nobody else waits for it.

    Raises:
        NoSuchMoveError: the job is final, or it is gone by now.
        Retryable: a service does not answer.
    """
    error = JobError(code=ErrorCode.RENDER_FAILED, message=f"An operator has ended it: {reason}")
    contest = Contest()
    found: Stored[Job] | None = job
    while found is not None:
        if found.value.is_final:
            raise NoSuchMoveError(f"The job is {found.value.status.value}: nothing leaves that.")
        if _repairer(site).end(found, error):
            return Done(said="The job is failed, and its event is out.", job_id=None)
        contest.lost(Conflict("the job changed"))
        found = site.store.job(job.value.job_id)
    raise NoSuchMoveError("The job is gone: its owner has deleted it.")


def order(*, is_draining: bool, reason: str, site: Site) -> Orders:
    """Have workers leave after what they have, and none started; or have them back. What stands already stays.

    Raises:
        Retryable: the store does not answer.
    """
    contest = Contest()
    while True:
        stored = site.crew.orders()
        if (stored.value.is_draining if stored else False) == is_draining:
            return stored.value if stored else _orders(is_draining=False, reason="", now=site.now())
        try:
            return _write(stored, _orders(is_draining=is_draining, reason=reason, now=site.now()), site=site).value
        except Conflict as exc:
            contest.lost(exc)


def _write(stored: StoredOrders | None, value: Orders, *, site: Site) -> StoredOrders:
    return site.crew.replace_orders(stored, value) if stored else site.crew.create_orders(value)


def _orders(*, is_draining: bool, reason: str, now: datetime) -> Orders:
    return Orders(is_draining=is_draining, reason=reason, changed_at=now)


def _ask_again(failed: Job, *, site: Site) -> Done:
    """A new job of the same owner for the same render, outside of their quota: they have paid for it once."""
    render = site.store.render(failed.render_key) if failed.render_key else None
    if render is None or failed.request is None:
        raise NoSuchMoveError("It was rejected, or its render is gone: its owner must wish again.")
    placing = _function("submit", "placing")
    job = new_job(
        job_id=hashlib.sha256(f"again\n{failed.job_id}".encode()).hexdigest()[:32],
        owner=failed.owner,
        request=failed.request,
        render_key=render.value.render_key,
        fingerprint=failed.fingerprint,
        now=site.now(),
        traceparent=failed.traceparent,
    )
    try:
        placed: Job = placing.place(
            job,
            render.value.spec,
            store=site.store,
            publisher=site.publisher,
            artifacts=site.artifacts,
            now=site.now,
        )
    except placing.JobExistsError:
        found = site.store.job(job.job_id)
        status = found.value.status.value if found else "gone"
        return Done(said=f"It was asked for again before: job {job.job_id} is {status}.", job_id=job.job_id)
    return Done(said=f"Asked for again: job {placed.job_id} is {placed.status.value}.", job_id=placed.job_id)


def _repairer(site: Site) -> Any:  # noqa: ANN401 - of a function's flat folder
    repairing = _function("notify", "repairing")
    return repairing.Repairer(store=site.store, publisher=site.publisher, artifacts=site.artifacts, now=site.now)


@cache
def _function(name: str, module: str) -> Any:  # noqa: ANN401 - a module
    """A module of a function: they lie in flat folders, as functions-framework loads them."""
    import importlib  # noqa: PLC0415

    if (folder := str(_FUNCTIONS / name)) not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(module)
