"""The history of a job: its document, its render, what lies in the bucket, and all of it in the order of its times.

Words of a person are left out, and so is what opens a link: who operates a service need not read them. Events are
published and not kept, so what is known of one is whether it is out. The logs of the local processes are read; those in
the cloud are one command away, which is named.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import JsonValue

from shared.artifact_paths import render_folder
from shared.documents import Document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from shared.artifact_store import Artifact, ArtifactStore
    from shared.documents import Job, Render
    from shared.job_store import JobStore, Stored

#: Fields with a person's own words, or that let somebody in.
HIDDEN: Final = ("prompt", "negative_prompt", "share_token", "fingerprint")
#: Fields of a log line that are told elsewhere, or to a machine.
_KNOWN: Final = frozenset({"time", "message", "severity", "logger", "service", "job_id", "render_key", "traceparent"})
#: Other jobs that wait for the same render are counted up to so many.
MOST_OTHERS: Final = 1000


class Moment(Document):
    """Something that happened."""

    at: datetime
    source: str
    """Which document, object or process says so."""
    what: str
    details: dict[str, JsonValue]


class ObjectLine(Document):
    """An object in the bucket."""

    name: str
    generation: int
    size_bytes: int
    content_type: str
    kept_since: datetime


class History(Document):
    """All that is known of a job."""

    where: str
    job: dict[str, JsonValue]
    render: dict[str, JsonValue] | None
    """Null: it was rejected, or its render is gone."""
    lease_left_s: float
    """Until the lease of its render ends; 0: there is none."""
    also_waiting: int
    """Other jobs that wait for the same render."""
    objects: tuple[ObjectLine, ...]
    event: str
    """Of the job's end: ``not final``, ``pending`` or ``published``."""
    moments: tuple[Moment, ...]
    logs: str | None
    """How to get the logs; null: they are among the moments."""


def history_of(
    job: Stored[Job], *, where: str, store: JobStore, artifacts: ArtifactStore, log_dir: Path | None, logs: str
) -> History:
    """Find out all of it.

    Args:
        job: which.
        where: the name of the system.
        store: of jobs and renders.
        artifacts: of videos.
        log_dir: where its processes log to; None: somewhere else.
        logs: how to get the logs then.

    Raises:
        Retryable: a service does not answer.
    """
    key = job.value.render_key
    render = store.render(key) if key else None
    objects = artifacts.folder(render_folder(key)) if key else []
    waiting = store.waiting_jobs(key, limit=MOST_OTHERS) if key else []
    moments = [
        *_moments_of_job(job.value),
        *(_moments_of_render(render.value) if render else []),
        *(_moment_of_object(each) for each in objects),
        *(_logged(log_dir, job_id=job.value.job_id, render_key=key) if log_dir else []),
    ]
    return History(
        where=where,
        job=shown(job.value),
        render=shown(render.value) if render else None,
        lease_left_s=round(render.value.lease_left_s(render.read_at), 1) if render else 0,
        also_waiting=sum(each.value.job_id != job.value.job_id for each in waiting),
        objects=tuple(_object_line(each) for each in objects),
        event=_event(job.value),
        moments=tuple(sorted(moments, key=lambda each: each.at)),
        logs=None if log_dir else logs,
    )


def shown(document: Job | Render) -> dict[str, JsonValue]:
    """The document without what nobody needs to read."""
    without: dict[str, JsonValue] = _without(document.model_dump(mode="json"))
    return without


def _without(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            name: f"({len(each)} characters)" if name in HIDDEN and isinstance(each, str) else _without(each)
            for name, each in value.items()
        }
    return [_without(each) for each in value] if isinstance(value, list) else value


def _event(job: Job) -> str:
    if not job.is_final:
        return "not final"
    return "pending" if job.event_pending else "published"


def _moments_of_job(job: Job) -> Iterator[Moment]:
    yield Moment(at=job.created_at, source="job", what="accepted", details={})
    if job.started_at:
        yield Moment(at=job.started_at, source="job", what="started", details={})
    if job.finished_at:
        details: dict[str, JsonValue] = {"code": job.error.code.value, "why": job.error.message} if job.error else {}
        yield Moment(at=job.finished_at, source="job", what=job.status.value, details=details)


def _moments_of_render(render: Render) -> Iterator[Moment]:
    yield Moment(at=render.created_at, source="render", what="wished for first", details={})
    if render.published_at:
        yield Moment(at=render.published_at, source="render", what="message seen or sent last", details={})
    if render.renewed_at:
        details: dict[str, JsonValue] = {"holder": render.holder, "token": render.token, "attempts": render.attempts}
        yield Moment(at=render.renewed_at, source="render", what="lease renewed last", details=details)
    if render.finished_at:
        yield Moment(at=render.finished_at, source="render", what=render.state.value, details={})


def _moment_of_object(artifact: Artifact) -> Moment:
    details: dict[str, JsonValue] = {"size_bytes": artifact.size_bytes, "generation": artifact.generation}
    return Moment(at=artifact.kept_since, source="bucket", what=artifact.name.rsplit("/", 1)[1], details=details)


def _object_line(artifact: Artifact) -> ObjectLine:
    return ObjectLine(
        name=artifact.name,
        generation=artifact.generation,
        size_bytes=artifact.size_bytes,
        content_type=artifact.content_type,
        kept_since=artifact.kept_since,
    )


def _logged(folder: Path, *, job_id: str, render_key: str | None) -> Iterator[Moment]:
    """The lines of every process that name the job or its render."""
    names = [name for name in (job_id, render_key) if name]
    for path in sorted(folder.glob("*.log")):
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if any(name in text for name in names) and (moment := _moment_of_line(text, process=path.stem)):
                yield moment


def _moment_of_line(text: str, *, process: str) -> Moment | None:
    try:
        line: Mapping[str, Any] = json.loads(text)
        at, what = datetime.fromisoformat(line["time"]), str(line["message"])
    except (ValueError, KeyError, TypeError):  # a server's own line
        return None
    details = {name: each for name, each in line.items() if name not in _KNOWN and each is not None}
    if "exc_info" in details:
        details["exc_info"] = str(details["exc_info"]).strip().splitlines()[-1]
    return Moment(at=at, source=process, what=what, details=details)


def log_command(job: Job, *, project: str) -> str:
    """What shows the logs of a job in the cloud."""
    fields: Sequence[str] = [f'jsonPayload.job_id="{job.job_id}"']
    if job.render_key:
        fields = [*fields, f'jsonPayload.render_key="{job.render_key}"']
    return f"gcloud logging read '{' OR '.join(fields)}' --project={project} --freshness=30d --order=asc --format=json"
