"""The referee: looks at every write, every acknowledgement and every event, and never helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.artifact_paths import render_key_of, video_path
from shared.documents import FINAL, WAITING, Job, Render, State, Status
from shared.errors import ErrorCode
from shared.jobs import JOB_TRANSITIONS, MAX_ATTEMPTS, RENDER_TRANSITIONS, Move

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.artifact_store import Artifact
    from shared.messages import JobEvent
    from tests.simulation.scheduler import Process

#: From where to where the tables allow, whatever the cause; a write may also change other fields only.
_JOB_ARROWS: Final = {(before, after) for (before, _), after in JOB_TRANSITIONS.items()} | {(s, s) for s in Status}
_RENDER_ARROWS: Final = {(before, after) for (before, _), after in RENDER_TRANSITIONS.items()} | {(s, s) for s in State}
assert (Status.CANCELED, Move.COMPLETE) not in JOB_TRANSITIONS


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
        #: When each render was last final, or waited for by nobody; counted in writes.
        self._free_at: dict[str, int] = {}
        self._writes = 0

    def wrote(self, after: Mapping[tuple[type[Job | Render], str], Job | Render], *, by: Process, time: float) -> None:
        """A batch was written."""
        self._writes += 1
        before = {key: self._documents.get(key) for key in after}
        self._documents.update(after)
        for key, value in after.items():
            was = before[key]
            if isinstance(value, Render):
                assert was is None or isinstance(was, Render)
                self._wrote_render(was, value, by=by, time=time)
            else:
                assert was is None or isinstance(was, Job)
                self._wrote_job(was, value, by=by)
        for render_key in {value.render_key for value in after.values() if value.render_key}:
            if self._is_free(render_key):
                self._free_at[render_key] = self._writes

    def _wrote_render(self, was: Render | None, value: Render, *, by: Process, time: float) -> None:
        key = value.render_key
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
        if value.state is State.COMPLETED and video_path(key) not in self._objects:
            self.blame(f"{by.name} completed a render without a video")

    def _wrote_job(self, was: Job | None, value: Job, *, by: Process) -> None:
        name = f"{by.name} wrote {value.job_id}"
        if was is None:
            return
        if was.status in FINAL and value.status is not was.status:
            self.blame(f"{name}: {value.status} after it was {was.status}")
        elif (was.status, value.status) not in _JOB_ARROWS:
            self.blame(f"{name}: {value.status} after {was.status}")
        if was.status in FINAL:
            return
        render = self.render(value.render_key)
        if value.status is Status.COMPLETED:
            artifact = self._objects.get(video_path(value.render_key or ""))
            if artifact is None or value.video is None or value.video.generation != artifact.generation:
                self.blame(f"{name}: completed without its video")
            if render is None or render.state is not State.COMPLETED:
                self.blame(f"{name}: completed before its render")
        if by.is_worker and value.status in WAITING and (render is None or render.token != self._token(by, render)):
            self.blame(f"{name}: under token {self._token(by, render)}, which is old")

    def _token(self, by: Process, render: Render | None) -> int | None:
        return self._tokens.get((by.name, render.render_key)) if render else None

    def uploaded(self, artifact: Artifact, *, by: Process) -> None:
        """An object was created or overwritten."""
        self._objects[artifact.name] = artifact
        render_key = render_key_of(artifact.name)
        if render_key is None:
            return
        commits = self._commits.setdefault(render_key, [])
        commits.append(artifact.generation)
        if len(commits) > 1:
            self.blame(f"{by.name} committed a render that was committed before")

    def published(self, event: JobEvent) -> None:
        """The world was told of a job."""
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

    def at_the_end(self, *, all_events: bool, none_failed: bool) -> None:
        """The dust has settled."""
        for job in self.jobs:
            name = f"{job.job_id} is {job.status} in the end"
            if job.status not in FINAL:
                self.blame(name)
            elif all_events and job.job_id not in self._events:
                self.blame(f"{name}, and nobody was told")
            elif {status for _, status in self._events.get(job.job_id, ())} - {job.status}:
                self.blame(f"{name}, and its event says something else")
            if job.error and job.error.code is not ErrorCode.RENDER_FAILED:
                self.blame(f"{name}: {job.error.code}, but all was repaired long before that")
            if none_failed and job.status is Status.FAILED:
                self.blame(f"{name}, although nothing was broken")

    @property
    def jobs(self) -> list[Job]:
        """As they are."""
        return [each for each in self._documents.values() if isinstance(each, Job)]

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
