"""The use case behind ``DELETE /jobs/{id}``. A private video goes with its last job; a public one lives on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.artifact_paths import render_folder
from shared.errors import Conflict
from shared.job_store import Delete
from shared.requests import PUBLIC

if TYPE_CHECKING:
    from shared.artifact_store import ArtifactStore
    from shared.documents import Job
    from shared.job_store import JobStore, Stored

log = logging.getLogger(__name__)


def delete_job(stored: Stored[Job], *, store: JobStore, artifacts: ArtifactStore) -> None:
    """Delete a job. A render that nobody waits for any more stops by itself.

    The render's document goes before its objects: whoever wishes for it in between gets a new render, and at worst
    renders once more.

    Raises:
        Retryable: a service does not answer; call it again.
    """
    found: Stored[Job] | None = stored
    while found is not None:
        try:
            store.commit(Delete(stored=found))
            break
        except Conflict:
            found = store.job(stored.value.job_id)
    log.info("job deleted", extra={"action": "delete", "job_id": stored.value.job_id})
    render_key = stored.value.render_key
    render = store.render(render_key) if render_key else None
    if render is None or render.value.spec.scope == PUBLIC or not render.value.is_final:
        return
    if store.has_jobs(render.value.render_key):
        return
    try:
        store.commit(Delete(stored=render))
    except Conflict:  # somebody wished for it in this moment
        return
    artifacts.delete_folder(render_folder(render.value.render_key))
    log.info("video deleted", extra={"action": "delete", "render_key": render.value.render_key})
