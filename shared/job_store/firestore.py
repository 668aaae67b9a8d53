"""The job store on Firestore. Documents hold exactly the fields of `Job`, `Render` and `Slot`.

Compare-and-set is the document's update time as a precondition of a batched write: cheaper than a transaction, and the
emulator collapses under contended transactions (two-second lock time-outs). One difference: the emulator does not ask
for composite indexes; the cloud does. They are listed in ``terraform/firestore.tf``, and a test compares.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core import exceptions as google
from google.api_core.retry import Retry, if_exception_type
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from pydantic import ValidationError

from shared.documents import WAITING, Job, Render, Slot, State, Status
from shared.errors import Conflict, Retryable
from shared.job_store import Create, Delete, Kept, Place, Stored, StoreNotReadyError, Sum, Write, stamped
from shared.jobs import SERVER_TIME
from shared.requests import PUBLIC
from shared.slots import owner_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from shared.requests import Priority

D = TypeVar("D", Job, Render, Slot)
R = TypeVar("R")

log = logging.getLogger(__name__)

DESCENDING = firestore.Query.DESCENDING
JOBS = "jobs"
RENDERS = "renders"
OWNERS = "owners"
SLOTS = "slots"
#: A call that takes longer than this is given up; what it wrote is found out by reading. Left to itself the client
#: tries for up to five minutes, longer than any lease.
TIMEOUT_S = 20.0
#: Pages that one reading goes on past documents that can't be read, and how many of them it names.
MOST_PAGES = 10
MOST_NAMED = 20
#: Before any time in a document.
NEVER_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
_RETRY = Retry(predicate=if_exception_type(google.ServiceUnavailable, google.ResourceExhausted), initial=0.1, maximum=2)


def limits(timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """How long a call may take: arguments of every call of the client."""
    return {"retry": _RETRY.with_timeout(timeout_s), "timeout": timeout_s}


class FirestoreJobStore:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, client: firestore.Client, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = client
        self._limits = limits(timeout_s)

    def job(self, job_id: str) -> Stored[Job] | None:
        """See `JobStore.job`."""
        return self._get(Job, JOBS, job_id)

    def render(self, render_key: str) -> Stored[Render] | None:
        """See `JobStore.render`."""
        return self._get(Render, RENDERS, render_key)

    def shared_job(self, token: str) -> Stored[Job] | None:
        """See `JobStore.shared_job`."""
        return next(iter(self._stream(Job, self._where(JOBS, ("share_token", "==", token)).limit(1))), None)

    def waiting_jobs(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """See `JobStore.waiting_jobs`."""
        query = self._where(JOBS, ("render_key", "==", render_key), ("status", "in", [each.value for each in WAITING]))
        query = query.order_by("__name__")
        return self._stream(Job, query.limit(limit) if limit else query)

    def jobs_with_pending_event(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_with_pending_event`."""
        query = self._where(JOBS, ("render_key", "==", render_key), ("event_pending", "==", True))
        return self._stream(Job, query.limit(limit) if limit else query)

    def renders(self, render_keys: Collection[str]) -> Mapping[str, Stored[Render]]:
        """See `JobStore.renders`."""
        return self._get_all(Render, RENDERS, render_keys)

    def jobs(self, job_ids: Collection[str]) -> Mapping[str, Stored[Job]]:
        """See `JobStore.jobs`."""
        return self._get_all(Job, JOBS, job_ids)

    def slots(self, owner: str, *, at_most: int) -> Sequence[Stored[Slot]]:
        """See `JobStore.slots`."""
        query = self._where(f"{OWNERS}/{owner_key(owner)}/{SLOTS}", ("number", "<", at_most))
        return self._stream(Slot, query.order_by("number"))

    def count_waiting_jobs(self, owner: str, *, at_most: int) -> int:
        """See `JobStore.count_waiting_jobs`."""
        query = self._where(JOBS, ("owner", "==", owner), ("status", "in", [each.value for each in WAITING]))
        return self._count(query.limit(at_most))

    def oldest_queued_job(self, priority: Priority) -> Stored[Job] | None:
        """See `JobStore.oldest_queued_job`."""
        queued = self._where(JOBS, ("status", "==", Status.QUEUED.value), ("request.priority", "==", priority.value))
        return next(iter(self._readable(Job, queued.order_by("created_at"), limit=1)), None)

    def count_jobs_waiting_for(self, render_key: str) -> int:
        """See `JobStore.count_jobs_waiting_for`."""
        waiting = ("status", "in", [each.value for each in WAITING])
        return self._count(self._where(JOBS, ("render_key", "==", render_key), waiting))

    def waiting_jobs_of_batch(self, batch_id: str, *, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.waiting_jobs_of_batch`."""
        query = self._where(JOBS, ("batch_id", "==", batch_id), ("status", "in", [each.value for each in WAITING]))
        return self._stream(Job, query.limit(limit))

    def count_jobs_of_batch(self, batch_id: str) -> Mapping[Status, int]:
        """See `JobStore.count_jobs_of_batch`."""
        return {
            status: self._count(self._where(JOBS, ("batch_id", "==", batch_id), ("status", "==", status.value)))
            for status in Status
        }

    def jobs_of_owner(self, owner: str, *, before: Place | None, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_of_owner`."""
        newest_first = self._where(JOBS, ("owner", "==", owner)).order_by("created_at", direction=DESCENDING)
        query = newest_first.order_by("__name__", direction=DESCENDING)
        if before:
            query = query.start_after([before.created_at, self._client.document(JOBS, before.job_id)])
        return self._readable(Job, query, limit=limit)

    def public_films(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.public_films`."""
        query = self._where(RENDERS, ("state", "==", State.COMPLETED.value), ("spec.scope", "==", PUBLIC))
        return self._readable(Render, query.order_by("finished_at", direction=DESCENDING), limit=limit)

    def latest_finished(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.latest_finished`."""
        query = self._where(RENDERS, ("state", "==", State.COMPLETED.value))
        return self._readable(Render, query.order_by("finished_at", direction=DESCENDING), limit=limit)

    def leased_renders(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.leased_renders`."""
        query = self._where(RENDERS, ("state", "==", State.LEASED.value))
        return self._readable(Render, query.order_by("__name__"), limit=limit)

    def longest_waiting(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.longest_waiting`."""
        query = self._where(RENDERS, ("state", "==", State.IDLE.value), ("check_at", ">", NEVER_BEFORE))
        return self._readable(Render, query.order_by("created_at").order_by("check_at"), limit=limit)

    def cost_of_renders(self, *, since: datetime, until: datetime) -> Sum:
        """See `JobStore.cost_of_renders`."""
        completed = ("state", "==", State.COMPLETED.value)
        return self._sum(self._where(RENDERS, completed, ("finished_at", ">=", since), ("finished_at", "<", until)))

    def cost_of_batch(self, batch_id: str) -> Sum:
        """See `JobStore.cost_of_batch`."""
        return self._sum(self._where(JOBS, ("batch_id", "==", batch_id)))

    def cost_of_owner(self, owner: str, *, since: datetime) -> Sum:
        """See `JobStore.cost_of_owner`."""
        return self._sum(self._where(JOBS, ("owner", "==", owner), ("finished_at", ">=", since)))

    def latest_jobs(self, status: Status, *, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.latest_jobs`."""
        query = self._where(JOBS, ("status", "==", status.value)).order_by("updated_at", direction=DESCENDING)
        return self._readable(Job, query, limit=limit)

    def count_jobs(self, status: Status, *, since: datetime, at_most: int) -> int:
        """See `JobStore.count_jobs`."""
        query = self._where(JOBS, ("status", "==", status.value), ("updated_at", ">=", since))
        return self._count(query.limit(at_most))

    def renders_ahead(self, render: Render) -> int:
        """See `JobStore.renders_ahead`."""
        return self._count(self._to_do(render.priority, ("created_at", "<", render.created_at)))

    def renders_to_do(self, priority: Priority, *, at_most: int | None = None) -> int:
        """See `JobStore.renders_to_do`."""
        query = self._to_do(priority)
        return self._count(query.limit(at_most) if at_most else query)

    def renders_to_check(self, priority: Priority, *, now: datetime, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.renders_to_check`."""
        query = self._where(RENDERS, ("priority", "==", priority.value), ("check_at", "<=", now))
        return self._readable(Render, query.order_by("check_at"), limit=limit)

    def jobs_left_waiting(self, *, since: datetime, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_left_waiting`."""
        query = self._where(JOBS, ("status", "in", [each.value for each in WAITING]), ("updated_at", "<=", since))
        return self._readable(Job, query.order_by("updated_at"), limit=limit)

    def jobs_past_deadline(self, *, now: datetime, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_past_deadline`."""
        query = self._where(JOBS, ("status", "in", [each.value for each in WAITING]), ("deadline_at", "<=", now))
        return self._readable(Job, query.order_by("deadline_at"), limit=limit)

    def jobs_with_old_event(self, *, since: datetime, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_with_old_event`."""
        query = self._where(JOBS, ("event_pending", "==", True), ("updated_at", "<=", since))
        return self._readable(Job, query.order_by("updated_at"), limit=limit)

    def has_jobs(self, render_key: str, *, besides: str) -> bool:
        """See `JobStore.has_jobs`."""
        two = self._stream(Job, self._where(JOBS, ("render_key", "==", render_key)).limit(2))
        return any(job.value.job_id != besides for job in two)

    def commit(self, *writes: Write) -> Sequence[Stored[Kept]]:
        """See `JobStore.commit`."""
        batch = self._client.batch()
        for write in writes:
            reference = self._reference(write.value)
            if isinstance(write, Create):
                batch.create(reference, _fields(write.value))
            elif isinstance(write, Delete):
                batch.delete(reference, option=self._client.write_option(last_update_time=write.stored.version))
            else:
                before, after = _fields(write.stored.value), _fields(write.value)
                # Nothing changed: still a write, since the precondition must be judged. It keeps the update time.
                changed = {name: value for name, value in after.items() if value != before[name]} or after
                option = self._client.write_option(last_update_time=write.stored.version)
                batch.update(reference, changed, option=option)
        results = written(lambda: batch.commit(**self._limits))
        return [
            Stored(
                # The one transform is `SERVER_TIME`: when the request came, some milliseconds before the update time.
                value=stamped(write.value, next((each.timestamp_value for each in result.transform_results), None)),
                version=result.update_time,
                read_at=result.update_time or batch.commit_time,
            )
            for write, result in zip(writes, results, strict=True)
        ]

    def _reference(self, value: Kept) -> firestore.DocumentReference:
        if isinstance(value, Slot):
            return self._client.document(OWNERS, owner_key(value.owner), SLOTS, str(value.number))
        where = (JOBS, value.job_id) if isinstance(value, Job) else (RENDERS, value.render_key)
        return self._client.document(*where)

    def _get(self, kind: type[D], collection: str, key: str) -> Stored[D] | None:
        snapshot = answered(lambda: self._client.document(collection, key).get(**self._limits))
        return _stored(kind, snapshot) if snapshot.exists else None

    def _get_all(self, kind: type[D], collection: str, keys: Collection[str]) -> dict[str, Stored[D]]:
        references = [self._client.document(collection, key) for key in keys]
        if not references:
            return {}
        found = answered(lambda: [each for each in self._client.get_all(references, **self._limits) if each.exists])
        return {each.id: _stored(kind, each) for each in found}

    def _to_do(self, priority: Priority, *further: tuple[str, str, object]) -> firestore.Query:
        """Renders that wait or are being made. A comparison with a time leaves out those whose ``check_at`` is null."""
        states = [State.IDLE.value, State.LEASED.value]
        conditions = (("state", "in", states), ("priority", "==", priority.value), ("check_at", ">", NEVER_BEFORE))
        return self._where(RENDERS, *conditions, *further)

    def _where(self, collection: str, *conditions: tuple[str, str, object]) -> firestore.Query:
        query: Any = self._client.collection(collection)
        for field, operator, value in conditions:
            query = query.where(filter=FieldFilter(field, operator, value))
        return query

    def _stream(self, kind: type[D], query: firestore.Query) -> list[Stored[D]]:
        return answered(lambda: [_stored(kind, snapshot) for snapshot in query.stream(**self._limits)])

    def _readable(self, kind: type[D], query: firestore.Query, *, limit: int) -> list[Stored[D]]:
        return readable(query, lambda snapshot: _stored(kind, snapshot), limit=limit, options=self._limits)

    def _count(self, query: firestore.Query) -> int:
        return int(answered(lambda: query.count().get(**self._limits))[0][0].value)

    def _sum(self, query: firestore.Query) -> Sum:
        """Added up by the database: it reads an entry of an index for each, and one is charged for a thousand."""
        asked = query.sum("cost.gpu_s", alias="gpu_s").sum("cost.amount", alias="amount")
        [found] = answered(lambda: asked.get(**self._limits))
        by_name = {each.alias: float(each.value) for each in found}
        return Sum(by_name["gpu_s"], by_name["amount"])


def _fields(value: Kept) -> dict[str, Any]:
    """The document's fields. Dates stay dates; enumerations become their text."""
    return {
        name: firestore.SERVER_TIMESTAMP if each == SERVER_TIME else each
        for name, each in value.model_dump(mode="python", context=None).items()
    }


def _stored(kind: type[D], snapshot: firestore.DocumentSnapshot) -> Stored[D]:
    return Stored(
        value=kind.model_validate(snapshot.to_dict()), version=snapshot.update_time, read_at=snapshot.read_time
    )


def readable(
    query: firestore.Query,
    read: Callable[[firestore.DocumentSnapshot], R],
    *,
    limit: int,
    options: Mapping[str, Any],
) -> list[R]:
    """What can be read of a query's answer, at most ``limit``; what can't is logged, and what comes after it is found.

    After a release that was taken back, many documents may have a field that nobody knows.
    """
    found: list[R] = []
    unreadable: list[str] = []
    for _ in range(MOST_PAGES):
        page = _page(query.limit(limit), options)
        for snapshot in page:
            try:
                found.append(read(snapshot))
            except ValidationError:
                unreadable.append(snapshot.reference.path)
        if len(page) < limit or len(found) >= limit:
            break
        query = query.start_after(page[-1])
    if unreadable:
        log.error(
            "unreadable documents left out",
            extra={"action": "read", "documents": unreadable[:MOST_NAMED], "number": len(unreadable)},
        )
    return found[:limit]


def _page(query: firestore.Query, options: Mapping[str, Any]) -> list[firestore.DocumentSnapshot]:
    return answered(lambda: list(query.stream(**options)))


def written(call: Callable[[], R]) -> R:
    """Translate the vendor's exceptions at a write, once for every store on Firestore."""
    try:
        return call()
    except (google.FailedPrecondition, google.AlreadyExists, google.NotFound) as exc:
        raise Conflict(f"firestore: {exc.message}") from exc
    except (google.GoogleAPICallError, google.RetryError) as exc:
        raise Retryable(f"firestore does not answer: {type(exc).__name__}") from exc


def answered(call: Callable[[], R]) -> R:
    """Translate the vendor's exceptions at a reading: nothing was compared, so nobody else can have been first."""
    try:
        return call()
    except google.FailedPrecondition as exc:  # its message says which index, and has a link that makes it
        raise StoreNotReadyError(f"firestore: {exc.message}") from exc
    except (google.GoogleAPICallError, google.RetryError) as exc:
        raise Retryable(f"firestore does not answer: {type(exc).__name__}") from exc
