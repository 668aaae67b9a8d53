"""The page of the documentation about traces and metrics. Enters: their names. Leaves: Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.documents import Stage
from shared.measures import ATTRIBUTES, MEASURES, Phase, SpanName

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH: Final = "docs/telemetry.md"

HEAD: Final = """# Traces and metrics

Where a job's time went, and how the service does. Written by `make docs` from
[shared/measures.py](../shared/measures.py), which has every name once; the dashboard and the alerts of `terraform/` ask
for exactly these. [Decision 22](decisions/0022-traces-and-metrics.md) says why so.

## To look at them

On this machine, `make up` and `make demo` keep them in the folder of their run, a file a process; embedded, in one.
`lifeasnotme metrics` shows what was measured, as it stood last: each measure by its labels, over all processes, which
tell once a minute and at their end. `lifeasnotme trace JOB` shows one job's way as a waterfall, here of
a worker without a model on a busy machine:

```
{EXAMPLE}
```

In the cloud, traces are in Cloud Trace (the log lines of a job lead there, by `logging.googleapis.com/trace`), metrics
in Cloud Monitoring, as PromQL. `TELEMETRY` ([settings](settings.md)) is `none`, `console`, `file:FOLDER` or
`gcp:REGION`. What can't be sent is said once in the log (`"action": "telemetry"`) and given up: no render waits for it.

## One trace

It begins at whoever wishes and sends a `traceparent` header ([W3C](https://www.w3.org/TR/trace-context/)), as the page
and the command do, else at the door: of the API, of messages, of schedules. It goes on in the job's document, the
message to the worker, and the event.
A render that several jobs wait for is in the trace of the first; each of them has `wait` and `event` in its own.
"""

EXAMPLE: Final = """span                               by           at      took
wish                               cli       0.000  37.725 s  ███████████████████████████████████████████████
  submit                           submit    1.322   2.161 s   ███
    wait                           notify    1.337  15.105 s   ███████████████████
    publish                        submit    3.224   0.112 s      █
    claim                          gpu_job  15.962   0.361 s                     █
    render                         gpu_job  16.324  19.137 s                      ████████████████████████
      loading                      gpu_job  16.327   0.031 s                      █
      rendering                    gpu_job  16.358   3.070 s                      ████
      encoding                     gpu_job  19.428  15.835 s                          ████████████████████
      …
    notify                         notify   36.403   0.569 s                                               █
    link                           submit   37.747   0.766 s                                                 █"""

#: What each span is, for people.
SPANS: Final = {
    SpanName.WISH: "The command's own, of a system on this machine: from the wish to its first sight of a final job",
    SpanName.SUBMIT: "`POST /jobs`",
    SpanName.INTAKE: "The same for a message on `job-requests`",
    SpanName.BATCH: "A batch is accepted: a list, a manifest or a plan on a schedule; all its jobs are in this trace",
    SpanName.EXPAND: "A chunk of a batch: some of its rows become jobs, or some of its jobs are canceled",
    SpanName.PUBLISH: "The message that wakes a worker; those of some rows of a batch go together",
    SpanName.WAIT: "From the wish to the worker that took it first",
    SpanName.CLAIM: "A worker takes the render's lease",
    SpanName.RENDER: "One attempt under that lease",
    SpanName.IMPORT: "torch and diffusers, in a worker's first render",
    SpanName.LOADING: "The model, where it is not loaded",
    SpanName.RENDERING: "Denoising",
    SpanName.ENCODING: "All that follows denoising, until the last frame is in its file",
    SpanName.DECODING: "Latents become frames",
    SpanName.EYE: "Frames become what the creature sees",
    SpanName.VIDEO: "What it sees becomes an mp4",
    SpanName.HUMAN_VIEW: "What was drawn becomes an mp4",
    SpanName.UPLOADING: "What belongs to the video, signing included, and the commit",
    SpanName.SIGN: "The videos and the poster are signed",
    SpanName.COMMIT: "The video itself is uploaded: from now on it is done",
    SpanName.NOTIFY: "The bucket's event is heard, and every job of the render is completed",
    SpanName.EVENT: "The job is final, and the world is told",
    SpanName.LINK: "Somebody who saw `completed` asks for the video: the first that the service can know of that",
}
PHASES: Final = {
    Phase.PROCESS: "the interpreter, and what every worker imports",
    Phase.IMPORT: "torch and diffusers",
    Phase.LOAD: "the first model",
    Phase.WARM_UP: "a clip for nobody, where `WARM_UP` is set",
    Phase.FIRST_RENDER: "the first video, without loading",
}


TAIL: Final = """
{STAGES} follow each other without a gap; what else is inside of `render` overlaps them.
A span says of itself at most {SAID}. No prompt, no token, no address. An error is named by its type.

## Metrics
"""
FOOT: Final = """
A worker's start has the phases {PHASES}.
None has seconds of another. How long a node and an image take is before all of them. The dashboard has it from GKE's
own metrics: `kubernetes.io/node/latencies/startup`, from a GPU machine's creation to its being ready, and
`kubernetes.io/pod/latencies/pod_first_ready`, from a worker's pod to its first look for work, which has the wait for
the node, the image, `process` and, where it is set, `warm_up` in it. They need GKE 1.31.1 and its package of pod
metrics.

Every process counts from 0 and is a series of its own, and a worker may send one value and end. So the dashboard and
the alerts ask none of these by `increase` or `rate`, which miss a series' first value, but by what the last hour has
on top of the hour before (`local.grown` in `terraform/metrics.tf`). What a process had counted when it was killed
before its last word, at most a minute's, is in no metric; the sums of `GET /usage` and of the budget are the
database's and miss nothing.
"""


def page() -> str:
    """The whole page."""
    tail = TAIL.replace("{STAGES}", _named(Stage)).replace("{SAID}", _named(sorted(ATTRIBUTES)))
    phases = ", ".join(f"`{phase.value}` ({what})" for phase, what in PHASES.items())
    rows = [f"| `{each.name}` | {each.kind.name.lower()} | {_named(sorted(each.labels))} |" for each in MEASURES]
    return "\n".join(
        [
            HEAD.replace("{EXAMPLE}", EXAMPLE),
            "| span | what it is |",
            "|---|---|",
            *(f"| `{name}` | {what} |" for name, what in SPANS.items()),
            tail,
            "| name | kind | labels | what it says |",
            "|---|---|---|---|",
            *(f"{row} {each.summary} |" for row, each in zip(rows, MEASURES, strict=True)),
            FOOT.replace("{PHASES}", phases),
        ]
    )


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
