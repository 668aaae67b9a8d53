"""Quotas: how much a caller may ask for, and the room for one more job. Leaves: what is written in the job's batch.

Room is a slot (`shared.slots`) of the owner, and for an anonymous account one more of its address: anybody may have any
number of such accounts, but not of networks. A slot of an address belongs to an hour and is never taken over.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from shared.budget import next_midnight
from shared.errors import ErrorCode, Rejected
from shared.job_store import Create, Replace
from shared.slots import SLOT_RETENTION, gpu_s_of, is_free, spent_s, taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from callers import Caller
    from flask import Request as HttpRequest

    from shared.documents import Job, Slot
    from shared.job_store import JobStore, Stored

#: A render takes about that long; nobody knows which of the active jobs ends first.
RETRY_AFTER_JOB_S: Final = 30
#: A network of this many bits is one subscriber's: they may change their address within it at will (RFC 6177).
IPV6_SUBSCRIBER_BITS: Final = 64
_HOUR: Final = timedelta(hours=1)
#: Of any owner.
MOST_SLOTS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What one caller may have."""

    owner: str
    #: Active jobs at a time.
    jobs: int
    #: GPU seconds a day.
    gpu_s: float
    #: Of an anonymous account: where it calls from.
    address: str | None = None
    #: Jobs of all anonymous accounts of that address in an hour.
    jobs_per_address: int = 0


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """What callers may have, by their kind."""

    jobs: int
    jobs_of_system: int
    gpu_s: float
    gpu_s_of_system: float
    jobs_per_address: int
    #: Entries at the right of X-Forwarded-For that proxies of ours have written.
    trusted_proxies: int = 1

    def of(self, caller: Caller, *, address: str | None = None) -> Quota:
        """The quota of a caller."""
        return Quota(
            owner=caller.owner,
            jobs=self.jobs_of_system if caller.is_system else self.jobs,
            gpu_s=self.gpu_s_of_system if caller.is_system else self.gpu_s,
            address=address if caller.is_anonymous else None,
            jobs_per_address=self.jobs_per_address,
        )

    def address_of(self, request: HttpRequest) -> str:
        """Where a request comes from, as our own proxies saw it: what stands further left, anybody may have written."""
        hops = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",") if each.strip()]
        seen = hops[-self.trusted_proxies] if 0 < self.trusted_proxies <= len(hops) else request.remote_addr or ""
        return network_of(seen)


def network_of(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 address. What is neither is one too."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), IPV6_SUBSCRIBER_BITS), strict=False))
    return str(found)


def room_for(job: Job, quota: Quota, *, store: JobStore, now: datetime) -> list[Create | Replace]:
    """What must be written together with a new job; a conflict there means that somebody else took the room.

    Raises:
        Rejected: ``quota_exceeded`` or ``too_many_requests``: there is none, with when it is worth asking again.
    """
    slots, holders = _look(quota, store=store)
    cost = _costs(slots, holders, store=store, now=now)
    _check_seconds(slots, cost, quota, now=now)
    free = [number for number in range(quota.jobs) if number not in slots or _is_free(slots[number].value, holders)]
    if not free:
        raise Rejected(
            f"You have {quota.jobs} jobs that are not finished; wait for one of them or cancel one.",
            code=ErrorCode.QUOTA_EXCEEDED,
            retry_after_s=RETRY_AFTER_JOB_S,
        )
    number = free[_spread(job.job_id) % len(free)]
    before = slots.get(number)
    after = taken(
        before.value if before else None,
        owner=quota.owner,
        number=number,
        job_id=job.job_id,
        gpu_s=cost.get(number, 0.0),
        now=now,
        kept=SLOT_RETENTION,
    )
    room: list[Create | Replace] = [Replace(stored=before, value=after) if before else Create(value=after)]
    if quota.address is not None:
        room.append(_room_of_address(job, quota.address, most=quota.jobs_per_address, store=store, now=now))
    return room


@dataclass(frozen=True, kw_only=True)
class Used:
    """What an owner has of its quota now."""

    #: Active jobs that have a slot.
    jobs: int
    #: GPU seconds of today.
    gpu_s: float


def used(quota: Quota, *, store: JobStore, now: datetime) -> Used:
    """What an owner has used. Raises `Retryable`."""
    slots, holders = _look(quota, store=store)
    cost = _costs(slots, holders, store=store, now=now)
    active = sum(not _is_free(each.value, holders) for each in slots.values())
    return Used(jobs=active, gpu_s=sum(cost[number] + spent_s(slot.value, now=now) for number, slot in slots.items()))


def check_day(quota: Quota, *, store: JobStore, now: datetime) -> None:
    """Refuse an owner whose GPU seconds of today are spent. Raises `Rejected`."""
    slots, holders = _look(quota, store=store)
    _check_seconds(slots, _costs(slots, holders, store=store, now=now), quota, now=now)


def slot_of(job: Job, slots: Sequence[Stored[Slot]]) -> Stored[Slot] | None:
    """The slot that a job has, if it has one."""
    return next((each for each in slots if each.value.job_id == job.job_id), None)


def _look(quota: Quota, *, store: JobStore) -> tuple[dict[int, Stored[Slot]], dict[str, Job]]:
    """The owner's slots by number, and the jobs that have them by id."""
    slots = {each.value.number: each for each in store.slots(quota.owner, at_most=quota.jobs)}
    holders = store.jobs({each.value.job_id for each in slots.values() if each.value.job_id})
    return slots, {job_id: each.value for job_id, each in holders.items()}


def _costs(
    slots: Mapping[int, Stored[Slot]], holders: Mapping[str, Job], *, store: JobStore, now: datetime
) -> dict[int, float]:
    """What the job in each slot has cost today, by the slot's number."""
    finished = {each.render_key for each in holders.values() if each.is_final and each.started_at and each.render_key}
    renders = store.renders(finished)
    cost = {}
    for number, slot in slots.items():
        holder = holders.get(slot.value.job_id or "")
        render = renders.get(holder.render_key or "") if holder else None
        cost[number] = gpu_s_of(holder, render.value if render else None, now=now)
    return cost


def _check_seconds(
    slots: Mapping[int, Stored[Slot]], cost: Mapping[int, float], quota: Quota, *, now: datetime
) -> None:
    if sum(cost[number] + spent_s(slot.value, now=now) for number, slot in slots.items()) >= quota.gpu_s:
        raise Rejected(
            f"Your {quota.gpu_s:g} GPU seconds of today are spent; there are new ones at midnight UTC.",
            code=ErrorCode.QUOTA_EXCEEDED,
            retry_after_s=1 + int((next_midnight(now) - now).total_seconds()),
        )


def _is_free(slot: Slot, holders: Mapping[str, Job]) -> bool:
    return is_free(slot, holders.get(slot.job_id or ""))


def _room_of_address(job: Job, address: str, *, most: int, store: JobStore, now: datetime) -> Create:
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    owner = f"address:{hashlib.sha256(f'{hour.isoformat()} {address}'.encode()).hexdigest()[:32]}"
    used = {each.value.number for each in store.slots(owner, at_most=most)}
    free = [number for number in range(most) if number not in used]
    if not free:
        raise Rejected(
            "Too many wishes came from this network in this hour; sign in, or try again later.",
            code=ErrorCode.TOO_MANY_REQUESTS,
            retry_after_s=1 + int((hour + _HOUR - now).total_seconds()),
        )
    number = free[_spread(job.job_id) % len(free)]
    slot = taken(None, owner=owner, number=number, job_id=job.job_id, gpu_s=0, now=now, kept=timedelta(days=1))
    return Create(value=slot)


def _spread(job_id: str) -> int:
    """Another number for each job, so that many who come at once mostly take another slot each."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4])
