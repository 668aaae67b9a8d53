"""Jobs and renders in every state, as the tests of their moves begin with them."""

from datetime import UTC, datetime, timedelta

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render, State, Status
from shared.errors import ErrorCode
from shared.jobs import (
    complete_render,
)
from shared.testing import a_commit, a_job, a_render, put_video

CREATED = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = CREATED + timedelta(minutes=5)
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")


def render_in(state: State, **changes: object) -> Render:
    return a_render(now=CREATED, changes={"state": state, **changes})


def job_in(status: Status, **changes: object) -> Job:
    return a_job(render_in(State.IDLE), now=CREATED).model_copy(update={"status": status, **changes})


def completed_render() -> Render:
    artifacts = InMemoryArtifactStore()
    render = render_in(State.LEASED)
    commit = a_commit(render.render_key)
    video = commit.video(put_video(artifacts, render.render_key))
    return complete_render(render, video=video, usage=commit.usage, now=NOW)
