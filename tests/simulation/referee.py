"""The referee: looks at every write, every acknowledgement and every event, and never helps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.artifact_paths import render_key_of, video_path
from shared.documents import FINAL, WAITING, Job, Render, State, Status
from shared.errors import ErrorCode
from shared.jobs import KEPT_LONGER_EVERY, MAX_ATTEMPTS
from shared.requests import PUBLIC, Priority
from shared.transitions import JOB_TRANSITIONS, RENDER_TRANSITIONS, Move
from tests.simulation.batch_referee import BatchReferee
from tests.simulation.scheduler import NEVER, START

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from shared.artifact_store import Artifact
    from shared.messages import JobEvent
    from tests.simulation.scheduler import Process

#: From where to where the tables allow, whatever the cause; a write may also change other fields only.
_JOB_ARROWS: Final = {(before, after) for (before, _), after in JOB_TRANSITIONS.items()} | {(s, s) for s in Status}
_RENDER_ARROWS: Final = {(before, after) for (before, _), after in RENDER_TRANSITIONS.items()} | {(s, s) for s in State}
assert (Status.CANCELED, Move.COMPLETE) not in JOB_TRANSITIONS


#: A look and the write that follows it are no further apart: calls are slow, and some happen late.
A_MOMENT_S: Final = 200


class Referee:
    """Knows all documents and objects as they are, by the true clock."""

    def __init__(self) -> None:
        self._documents: dict[tuple[type[Job | Render], str], Job | Render] = {}
        self._objects: dict[str, Artifact] = {}
        #: What must not have happened.
        self.faults: list[str] = []
        #: The token of each process's latest claim on each render.
        self._tokens: dict[tuple[str, str], int] = {}
        #: True time at which the lease of each render ends.
        self._lease_ends: dict[str, float] = {}
        self._commits: dict[str, list[int]] = {}
        self._events: dict[str, set[tuple[str, str]]] = {}
        #: Scope of every render that there ever was.
        self._scopes: dict[str, str] = {}
        #: How each job that is gone was last.
        self._deleted: dict[str, Job] = {}
        #: How jobs that were deleted and are back were before.
        self._former: set[tuple[str, str]] = set()
        #: Renders that were deleted, be they there again.
        self._gone_renders: set[str] = set()
        #: Renders that the store deleted since their time was up, and those that had such jobs.
        self._expired: set[str | None] = set()
        #: True time at which each object that is gone went.
        self._removed_at: dict[str, float] = {}
        self.batches = BatchReferee(self)
        #: When each render was last final, or waited for by nobody; counted in writes.
        self._free_at: dict[str, int] = {}
        self._writes = 0

    def wrote(
        self,
        after: Mapping[tuple[type[Job | Render], str], Job | Render],
        *,
        gone: Sequence[Job | Render] = (),
        by: Process,
        time: float,
    ) -> None:
        """A batch was written, and some of it deleted."""
        self._note_what_is_free({value.render_key for value in [*after.values(), *gone] if value.render_key})
        self._writes += 1
        for value in gone:
            self._delete(value)
            if isinstance(value, Render) and value.spec.scope == PUBLIC:
                self.blame(f"{by.name} deleted a render that is everybody's")
        before = {key: self._documents.get(key) for key in after}
        self._documents.update(after)
        for key, value in after.items():
            was = before[key]
            if isinstance(value, Render):
                assert was is None or isinstance(was, Render)
                self._wrote_render(was, value, by=by, time=time)
            else:
                assert was is None or isinstance(was, Job)
                self._wrote_job(was, value, by=by, time=time)
        self._note_what_is_free({value.render_key for value in [*after.values(), *gone] if value.render_key})

    def _note_what_is_free(self, render_keys: set[str]) -> None:
        """Before a write and after it: between two of them nothing changes."""
        for render_key in render_keys:
            if self._is_free(render_key):
                self._free_at[render_key] = self._writes

    def _delete(self, value: Job | Render) -> None:
        if isinstance(value, Job):
            self._deleted[value.job_id] = value
            del self._documents[Job, value.job_id]
            return
        key = value.render_key
        del self._documents[Render, key]
        self._lease_ends.pop(key, None)
        self._tokens = {(name, each): token for (name, each), token in self._tokens.items() if each != key}
        self._gone_renders.add(key)

    def expired(self, value: Job | Render) -> None:
        """The store deleted what was kept for long enough."""
        if isinstance(value, Job) and value.status in WAITING:
            self.blame(f"{value.job_id} was {value.status} when its time was up")
        self._note_what_is_free({value.render_key} if value.render_key else set())
        self._writes += 1
        self._expired.add(value.render_key)
        self._delete(value)
        self._note_what_is_free({value.render_key} if value.render_key else set())

    def _wrote_render(self, was: Render | None, value: Render, *, by: Process, time: float) -> None:
        key = value.render_key
        self._scopes[key] = value.spec.scope
        if was is None:
            return
        if (was.state, value.state) not in _RENDER_ARROWS:
            self.blame(f"{by.name} moved a render from {was.state} to {value.state}")
        if value.token not in {was.token, was.token + 1}:
            self.blame(f"{by.name} changed a render's token from {was.token} to {value.token}")
        if value.attempts > MAX_ATTEMPTS:
            self.blame(f"{by.name} claimed a render for the {value.attempts}th time")
        if value.token > was.token:
            if was.state is State.LEASED and was.holder != value.holder and time < self._lease_ends[key]:
                self.blame(f"{by.name} took a lease of {was.holder} that had {self._lease_ends[key] - time:.0f} s left")
            self._tokens[by.name, key] = value.token
        if value.state is State.LEASED and value.renewed_at != was.renewed_at:
            self._lease_ends[key] = time + value.lease_s
        if value.state is State.COMPLETED and not self._has_video(key, time=time):
            self.blame(f"{by.name} completed a render without a video")

    def _wrote_job(self, was: Job | None, value: Job, *, by: Process, time: float) -> None:
        name = f"{by.name} wrote {value.job_id}"
        if was is None:
            self._created_job(value, by=by)
            return
        if was.status in FINAL and value.status is not was.status:
            self.blame(f"{name}: {value.status} after it was {was.status}")
        elif (was.status, value.status) not in _JOB_ARROWS:
            self.blame(f"{name}: {value.status} after {was.status}")
        if was.status in FINAL:
            return
        render = self.render(value.render_key)
        if value.status is Status.COMPLETED:
            self._completed_job(value, render, name=name, time=time)
        if by.is_worker and value.status in WAITING and (render is None or render.token != self._token(by, render)):
            self.blame(f"{name}: under token {self._token(by, render)}, which is old")

    def _created_job(self, job: Job, *, by: Process) -> None:
        if job.status is not Status.QUEUED:
            self.blame(f"{by.name} wrote {job.job_id}: it is new, and {job.status}")
        if before := self._deleted.pop(job.job_id, None):  # wished for once more, from the beginning
            self._events.pop(job.job_id, None)
            self._former.add((job.job_id, before.status))
        self.batches.has_a_job(job, by=by)

    def _completed_job(self, job: Job, render: Render | None, *, name: str, time: float) -> None:
        key = job.render_key or ""
        artifact = self._objects.get(video_path(key))
        is_its = artifact is not None and job.video is not None and job.video.generation == artifact.generation
        if not is_its and not self._is_just_deleted(key, time=time):
            self.blame(f"{name}: completed without its video")
        is_done = render is not None and render.state is State.COMPLETED
        if not is_done and not self._is_just_deleted(key, time=time):
            self.blame(f"{name}: completed before its render")

    def _has_video(self, key: str, *, time: float) -> bool:
        return video_path(key) in self._objects or self._is_just_removed(key, time=time)

    def _is_just_removed(self, key: str, *, time: float) -> bool:
        """No write is one with a look into the bucket: who has seen the video may write so a little later."""
        return time - self._removed_at.get(video_path(key), -NEVER) < A_MOMENT_S

    def _is_just_deleted(self, key: str, *, time: float) -> bool:
        """Nor is a copy of a private video safe from its owner, who wishes for it and deletes it in one moment."""
        return self._scopes.get(key) != PUBLIC and self._is_just_removed(key, time=time)

    def _token(self, by: Process, render: Render | None) -> int | None:
        return self._tokens.get((by.name, render.render_key)) if render else None

    def uploaded(self, artifact: Artifact, *, by: Process) -> None:
        """An object was created or overwritten."""
        before = self._objects.get(artifact.name)
        self._objects[artifact.name] = artifact
        render_key = render_key_of(artifact.name)
        if render_key is None:
            return
        self._commits.setdefault(render_key, []).append(artifact.generation)
        if before is not None:
            self.blame(f"{by.name} committed a render that was committed before, and is there")

    def removed(self, name: str, *, by: Process | None, time: float) -> None:
        """An object was deleted, by the bucket itself where nobody is named: the next commit is no second one."""
        if self._objects.pop(name, None) is None:
            return
        self._removed_at[name] = time
        if by is None:
            self._went_by_itself(name, time=time)
        elif self._scopes.get(name.split("/")[1]) == PUBLIC:
            self.blame(f"{by.name} deleted {name}, which is everybody's")

    def _went_by_itself(self, name: str, *, time: float) -> None:
        """A video is kept as long as the jobs that were promised it, but for a day."""
        for job in self.jobs:
            is_promised = job.status is Status.COMPLETED and job.video is not None and job.video.path == name
            if is_promised and job.expires_at - KEPT_LONGER_EVERY > START + timedelta(seconds=time):
                self.blame(f"{name} is gone, which was promised to {job.job_id} until {job.expires_at}")

    def accepted(self, job_id: str) -> None:
        """A client was told that its wish is seen to: who waits for it does not wait behind all of bulk."""
        job = self._documents.get((Job, job_id))
        render = self.render(job.render_key) if job else None
        if not isinstance(job, Job) or job.status in FINAL or render is None or render.is_final:
            return
        assert job.request is not None
        if job.request.priority is Priority.INTERACTIVE and render.priority is Priority.BULK:
            self.blame(f"{job_id} is waited for, and its render is {render.state} as one of bulk")

    def published(self, event: JobEvent) -> None:
        """The world was told of a job."""
        job = self._documents.get((Job, event.job_id), self._deleted.get(event.job_id))
        if not isinstance(job, Job) or job.status != event.status:
            if (event.job_id, event.status) in self._former:
                return  # on its way since then
            self.blame(f"{event.job_id} is {getattr(job, 'status', 'nothing')}, and its event says {event.status}")
        told = self._events.setdefault(event.job_id, set())
        told.add((event.event_id, event.status))
        if len(told) > 1:
            self.blame(f"{event.job_id} has several events: {sorted(told)}")

    @property
    def writes(self) -> int:
        """What a delivery remembers, to be judged by when it is acknowledged."""
        return self._writes

    def acknowledged(self, render_key: str, *, since: int, by: Process) -> None:
        """A message goes away: since its delivery the render must have been final, or waited for by nobody."""
        if not self._is_free(render_key) and self._free_at.get(render_key, -1) < since:
            self.blame(f"{by.name} acknowledged a message whose render is not final, and somebody waits")

    def at_the_end(self, *, all_events: bool, none_failed: bool, lost: AbstractSet[str]) -> None:
        """The dust has settled; ``lost`` are the objects nobody was told of."""
        self.batches.at_the_end()
        self._nothing_private_is_left(lost, none_without_a_job=not all_events)
        for job in self.jobs:
            name = f"{job.job_id} is {job.status} in the end"
            if job.status not in FINAL:
                self.blame(name)
            elif all_events and job.job_id not in self._events:
                self.blame(f"{name}, and nobody was told")
            elif {status for _, status in self._events.get(job.job_id, ())} - {job.status}:
                self.blame(f"{name}, and its event says something else")
            # Only who died between writing a job and seeing to its render has it wait for one that goes meanwhile.
            is_gone = all_events and job.error and job.error.code is ErrorCode.RENDER_GONE
            if is_gone and job.render_key in self._gone_renders:
                continue
            # A service that does not answer for `MAX_RETRIES` times ends a render too.
            if job.error and job.error.code not in {ErrorCode.RENDER_FAILED, ErrorCode.UNAVAILABLE}:
                self.blame(f"{name}: {job.error.code}, but all was repaired long before that")
            if none_failed and job.status is Status.FAILED:
                self.blame(f"{name}, although nothing was broken")

    def _nothing_private_is_left(self, lost: AbstractSet[str], *, none_without_a_job: bool) -> None:
        for key, scope in self._scopes.items():
            if scope == PUBLIC:
                continue
            is_left = video_path(key) in self._objects and self.render(key) is None
            if is_left and key not in self._expired and video_path(key) not in lost:
                self.blame(f"the video of private render {key[:6]} is left, which is gone")
            has_jobs = any(job.render_key == key for job in self.jobs)
            if none_without_a_job and self.render(key) and not has_jobs and key not in self._expired:
                self.blame(f"private render {key[:6]} is left, and all its jobs are gone")

    @property
    def jobs(self) -> list[Job]:
        """As they are."""
        return [each for each in self._documents.values() if isinstance(each, Job)]

    @property
    def gone(self) -> int:
        """How many jobs are gone."""
        return len(self._deleted)

    def render(self, render_key: str | None) -> Render | None:
        """As it is."""
        found = self._documents.get((Render, render_key or ""))
        return found if isinstance(found, Render) else None

    @property
    def commits(self) -> int:
        """How many videos there are."""
        return sum(len(each) for each in self._commits.values())

    def _is_free(self, render_key: str) -> bool:
        render = self.render(render_key)
        if render is None or render.is_final:
            return True
        return not any(job.render_key == render_key and job.status in WAITING for job in self.jobs)

    def blame(self, what: str) -> None:
        """This must not have happened."""
        self.faults.append(what)
