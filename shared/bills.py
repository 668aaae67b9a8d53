"""A bill: what each job pays of a render that it shared. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.documents import State

if TYPE_CHECKING:
    from shared.documents import Cost, Job, Render


def shared_among(render: Render, *, jobs: int) -> Render:
    """So many jobs waited when it was completed; each has cost its share. Only the first count counts."""
    if render.state is not State.COMPLETED or render.shared_by is not None:
        return render
    return render.model_copy(update={"shared_by": jobs})


def cost_for(job: Job, render: Render) -> Cost | None:
    """The share of a job that follows its completed render: nothing for who came when it was there."""
    if render.cost is None:
        return None
    if not render.shared_by or (render.finished_at and job.created_at > render.finished_at):
        return render.cost.part(0)
    return render.cost.part(1 / render.shared_by)
