"""The use case behind ``DELETE /jobs/{id}``. A private video goes with its last job; a public one lives on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.artifact_paths import render_folder
from shared.errors import Conflict
from shared.job_store import Contest, Delete
from shared.requests import PUBLIC

if TYPE_CHECKING:
    from shared.artifact_store import ArtifactStore
    from shared.documents import Job, Render
    from shared.job_store import JobStore, Stored

log = logging.getLogger(__name__)


def delete_job(stored: Stored[Job], *, store: JobStore, artifacts: ArtifactStore) -> None:
    """Delete a job; with the last one of a private render go its objects and its document, which holds the prompt.

    The job goes last, so that whoever was not answered can call again. A worker that has the render notices at its next
    step. Whoever wishes for it in between finds its video gone and has it made anew.

    Raises:
        Retryable: a service does not answer; call it again.
    """
    contest = Contest()
    found: Stored[Job] | None = stored
    while found is not None:
        render = _only_of(found.value, store=store)
        if render is not None:
            artifacts.delete_folder(render_folder(render.value.render_key))
        try:
            store.commit(Delete(stored=found), *([Delete(stored=render)] if render else []))
            break
        except Conflict as exc:
            contest.lost(exc)
            found = store.job(stored.value.job_id)
    # The last job but this one may have been deleted in the same moment.
    while (left := _only_of(stored.value, store=store)) is not None:
        artifacts.delete_folder(render_folder(left.value.render_key))
        try:
            store.commit(Delete(stored=left))
        except Conflict as exc:  # somebody wished for it in this moment, or a worker or notify wrote it: look again
            contest.lost(exc)
    log.info("job deleted", extra={"action": "delete", "job_id": stored.value.job_id})


def _only_of(job: Job, *, store: JobStore) -> Stored[Render] | None:
    """The render, where it is private and no other job has it."""
    render = store.render(job.render_key) if job.render_key else None
    if render is None or render.value.spec.scope == PUBLIC:
        return None
    return None if store.has_jobs(render.value.render_key, besides=job.job_id) else render
