"""What is measured, and what a span is called: every name stands here once.

The dashboard and the alerts of ``terraform/`` use exactly these names, and a test compares. Units stand in the names,
as PromQL has them. Labels are few words each, never an id: a job is found by its span, not by a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from shared.tracing import recorder


class Kind(Enum):
    """How values add up."""

    COUNTER = auto()
    HISTOGRAM = auto()
    GAUGE = auto()


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One metric."""

    name: str
    kind: Kind
    #: ``s`` or ``1``.
    unit: str
    #: What it says, for people.
    summary: str
    #: Its labels.
    labels: frozenset[str]
    #: Upper bounds of a histogram's buckets, in its unit.
    bounds: tuple[float, ...] = ()

    def take(self, value: float, **labels: str) -> None:
        """Add to a counter, observe for a histogram, or set a gauge. Costs nothing while nothing is exported."""
        assert labels.keys() == self.labels, f"{self.name} has the labels {sorted(self.labels)}"
        recorder().take(self, value, labels)


#: From a glance to an hour: waits are cut off at no sooner than a cold start takes.
_WAITS_S: Final = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1800, 3600)
#: From a preview on a large GPU to a long clip on a small one.
_WORK_S: Final = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 240, 480, 960)

QUEUE_AGE: Final = Measure(
    name="lifeasnotme_queue_age_seconds",
    kind=Kind.GAUGE,
    unit="s",
    summary="Age of the oldest job that is queued, looked at every minute; 0 when none is. Of a render that a worker "
    "has, the first 200 jobs are not queued any more",
    labels=frozenset({"priority"}),
)
WAIT: Final = Measure(
    name="lifeasnotme_wait_seconds",
    kind=Kind.HISTOGRAM,
    unit="s",
    summary="From a wish to the worker that took it first, told when the job is final",
    labels=frozenset({"priority", "model"}),
    bounds=_WAITS_S,
)
RENDER: Final = Measure(
    name="lifeasnotme_render_seconds",
    kind=Kind.HISTOGRAM,
    unit="s",
    summary="What a render took, by stage; stages overlap, and `whole` is from the first of them to the last frame",
    labels=frozenset({"model", "gpu", "stage"}),
    bounds=_WORK_S,
)
GPU: Final = Measure(
    name="lifeasnotme_gpu_seconds_total",
    kind=Kind.COUNTER,
    unit="s",
    summary="Seconds of loading and drawing that a GPU is paid for; those of attempts that failed are not counted",
    labels=frozenset({"model", "gpu"}),
)
COST: Final = Measure(
    name="lifeasnotme_cost_total",
    kind=Kind.COUNTER,
    unit="1",
    summary="Money for those seconds, by the catalogue's price of the GPU; nothing where it has none",
    labels=frozenset({"model", "gpu", "currency"}),
)
START: Final = Measure(
    name="lifeasnotme_worker_start_seconds",
    kind=Kind.HISTOGRAM,
    unit="s",
    summary="A worker's cold start, by phase; the wait for its node and its image is before all of it",
    labels=frozenset({"phase"}),
    bounds=_WORK_S,
)
STALLS: Final = Measure(
    name="lifeasnotme_progress_stalls_total",
    kind=Kind.COUNTER,
    unit="1",
    summary="Renders given up since nothing moved for too long, by stage",
    labels=frozenset({"stage"}),
)
FAILURES: Final = Measure(
    name="lifeasnotme_failures_total",
    kind=Kind.COUNTER,
    unit="1",
    summary="Jobs that failed, by the code that their owner sees",
    labels=frozenset({"code"}),
)
DEAD_LETTERS: Final = Measure(
    name="lifeasnotme_dead_letters_total",
    kind=Kind.COUNTER,
    unit="1",
    summary="Render requests that were delivered too often or could not be read, by what was done about them",
    labels=frozenset({"done"}),
)
BULK_PAUSE: Final = Measure(
    name="lifeasnotme_bulk_pause_seconds",
    kind=Kind.GAUGE,
    unit="s",
    summary="How long bulk still waits for another day's budget, looked at every minute; 0 when it does not",
    labels=frozenset(),
)
MEASURES: Final = (QUEUE_AGE, WAIT, RENDER, GPU, COST, START, STALLS, FAILURES, DEAD_LETTERS, BULK_PAUSE)


class Phase(Enum):
    """Of `START`, in order; none has seconds of another."""

    #: From the process's begin to the worker's first line: the interpreter, and what a worker always imports.
    PROCESS = "process"
    #: torch, diffusers, the GPU's context.
    IMPORT = "import"
    #: The first model.
    LOAD = "load"
    #: A clip for nobody, where the settings want one.
    WARM_UP = "warm_up"
    #: From the first frame's beginning to the last one's end.
    FIRST_RENDER = "first_render"


class SpanName:
    """Of spans, in the order of a job's life. Stages that clients see have the names of `shared.documents.Stage`."""

    #: The client's own: from the click to its first sight of a final job.
    WISH: Final = "wish"
    #: ``POST /jobs``, and its like for messages.
    SUBMIT: Final = "submit"
    INTAKE: Final = "intake"
    #: A batch is accepted: a list, a manifest, or a plan on a schedule. Every job of it is a part of that.
    BATCH: Final = "batch"
    #: A chunk of a batch: some rows are placed, or some jobs canceled.
    EXPAND: Final = "expand"
    #: A message to a worker, or those of some rows together.
    PUBLISH: Final = "publish"
    #: From the wish to the worker that took it; in the job's own trace.
    WAIT: Final = "wait"
    CLAIM: Final = "claim"
    #: One attempt under one lease.
    RENDER: Final = "render"
    IMPORT: Final = "import"
    LOADING: Final = "loading"
    RENDERING: Final = "rendering"
    DECODING: Final = "decoding"
    EYE: Final = "eye"
    VIDEO: Final = "encode video"
    HUMAN_VIEW: Final = "encode human view"
    ENCODING: Final = "encoding"
    SIGN: Final = "sign"
    UPLOADING: Final = "uploading"
    COMMIT: Final = "commit"
    #: The bucket's event.
    NOTIFY: Final = "notify"
    #: The job is final, and the world is told; in the job's own trace.
    EVENT: Final = "event"
    #: The first that the API hears of somebody who saw ``completed``: they want the video.
    LINK: Final = "link"


#: All that a span may say of itself. No prompt, no token, no address of anything.
ATTRIBUTES: Final = frozenset(
    {
        "job_id",
        "batch_id",
        "render_key",
        "attempt",
        "model",
        "priority",
        "status",
        "code",
        "artifact",
        "gpu",
        "frames",
        "rows",
        "busy_s",
    }
)
