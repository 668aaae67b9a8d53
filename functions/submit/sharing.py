"""Links that anyone may open: ``POST /jobs/{id}:share``, ``:unshare`` and ``GET /shared/{token}``.

A link shows the video, its still and the clip as it was drawn. It tells neither the words that were wished with, nor
who wished, nor the job's id, nor the receipt, which has the words too.
"""

from __future__ import annotations

import logging
import re
import secrets
from typing import TYPE_CHECKING, Any, Final, cast

from shared.documents import Status
from shared.errors import Conflict, ErrorCode, Rejected
from shared.job_store import Contest, Replace
from shared.jobs import share, unshare

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.documents import Job
    from shared.job_store import JobStore, Stored

log = logging.getLogger(__name__)

#: What a link shows of a job.
SHARED_ARTIFACTS: Final = ("video", "poster", "human-view")
#: 256 bits: nobody finds one by trying.
TOKEN_BYTES: Final = 32
TOKEN_PATTERN: Final = r"^[A-Za-z0-9_-]{43}$"  # noqa: S105 - of all of them
#: What a link tells of the video.
SHOWN_OF_VIDEO: Final = frozenset({"width", "height", "frames", "fps", "duration_s", "size_bytes"})


def share_job(stored: Stored[Job], *, store: JobStore, now: Callable[[], datetime]) -> Job:
    """Have a link to a completed job; the same one as long as it is shared.

    Raises:
        Rejected: it has no video, or not yet; or it was deleted meanwhile.
        Retryable: the store does not answer.
    """

    def shared(job: Job) -> Job:
        if job.status is not Status.COMPLETED:
            code = ErrorCode.NO_VIDEO if job.is_final else ErrorCode.NOT_READY
            raise Rejected(f"The job is {job.status.value}; what is shared is a video.", code=code)
        return job if job.share_token else share(job, token=secrets.token_urlsafe(TOKEN_BYTES), now=now())

    return _changed(stored, shared, store=store, action="share")


def unshare_job(stored: Stored[Job], *, store: JobStore, now: Callable[[], datetime]) -> Job:
    """Have no link any more; the one there was never works again, and sharing anew gives another.

    Raises:
        Rejected: it was deleted meanwhile.
        Retryable: the store does not answer.
    """
    return _changed(
        stored, lambda job: unshare(job, now=now()) if job.share_token else job, store=store, action="unshare"
    )


def shared_job(token: str, *, store: JobStore, now: Callable[[], datetime]) -> Job:
    """The job that a link leads to.

    Raises:
        Rejected: there is none, or it has expired: nobody learns which.
        Retryable: the store does not answer.
    """
    found = store.shared_job(token) if re.fullmatch(TOKEN_PATTERN, token) else None
    if found is None or found.value.expires_at <= now():
        raise Rejected("There is no such link.", code=ErrorCode.NOT_FOUND)
    return found.value


def view(job: Job) -> dict[str, Any]:
    """What anyone sees of a shared job."""
    assert job.video is not None, "only completed jobs are shared"
    path = path_of(job)
    return {
        "perspective": job.request.perspective if job.request else None,
        "theme": job.request.theme if job.request else None,
        "video": job.video.model_dump(include=set(SHOWN_OF_VIDEO)),
        "expires_at": job.expires_at.isoformat(),
        "links": {"self": path} | {each: f"{path}/{each}" for each in SHARED_ARTIFACTS},
    }


def path_of(job: Job) -> str:
    """Where anyone sees it."""
    return f"/shared/{job.share_token}"


def _changed(stored: Stored[Job], change: Callable[[Job], Job], *, store: JobStore, action: str) -> Job:
    contest = Contest()
    found: Stored[Job] | None = stored
    while found is not None:
        changed = change(found.value)
        if changed is found.value:
            return changed
        try:
            [written] = store.commit(Replace(stored=found, value=changed))
        except Conflict as exc:
            contest.lost(exc)
            found = store.job(stored.value.job_id)
            continue
        log.info("link changed", extra={"action": action, "job_id": stored.value.job_id})
        return cast("Job", written.value)
    raise Rejected("There is no such job.", code=ErrorCode.NOT_FOUND)
