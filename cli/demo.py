"""``lifeasnotme demo``: one wish travels the whole path on this machine, and its video is looked at."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cli.api_client import ApiClient, ApiError
from cli.here import OUT_DIR
from cli.progress import follow_job
from cli.stopwatch import Stopwatch
from cli.system import running_system
from local.errors import LocalStackError
from shared.documents import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from cli.api_client import Seen
    from cli.system import System
    from shared.documents import Job


def run_demo(*, perspective: str, prompt: str | None, embedded: bool, page: bool, console: Console) -> None:
    """Start the system, make a video, save it, its human view and a contact sheet, say where the time went, stop.

    Raises:
        LocalStackError: the system did not come up.
        ApiError: the API refused, or the job ended without a video.
    """
    console.print("[bold]Life As Not Me[/]: a wish travels the whole path on this machine.")
    stopwatch = Stopwatch(console)
    with running_system(embedded=embedded, fall_back=True, port=0, workers=1, page=page, stopwatch=stopwatch) as system:
        if system.page_url:
            stopwatch.lap(f"page at {system.page_url} as long as this runs; `make up` keeps it")
        client = ApiClient(system.api_url)
        wish = {"perspective": perspective, "prompt": prompt}
        seen = client.submit(wish, idempotency_key=secrets.token_hex(16))
        stopwatch.lap(f"POST /jobs {perspective} → job {seen.job.job_id}")
        job = follow_job(_while_well(system, client.watch(seen.job.job_id)), console=console)
        if job.status is not Status.COMPLETED:
            raise ApiError(f"The job is {job.status.value}: {job.error.message if job.error else 'no reason given'}")
        stopwatch.lap(f"completed, seen by polling GET /jobs/{job.job_id}")
        path = OUT_DIR / f"{perspective}-{job.job_id[:8]}.mp4"
        OUT_DIR.mkdir(exist_ok=True)
        client.save_video(job.job_id, path)
        human_view = path.with_stem(f"{path.stem}-human-view")
        client.save_video(job.job_id, human_view, artifact="human-view")
        receipt = client.receipt(job.job_id)
        stopwatch.lap("both videos and the receipt fetched by signed links")
        sheet = _contact_sheet(path, receipt)
        stopwatch.lap("contact sheet drawn")
        console.print(_where_the_time_went(job, receipt["usage"]))
    stopwatch.lap("everything stopped")
    console.print(f"Video          {path}  ({_kind(path)})", soft_wrap=True, highlight=False)
    console.print(f"Human view     {human_view}  (the same clip as it was drawn)", soft_wrap=True, highlight=False)
    console.print(f"Contact sheet  {sheet}", soft_wrap=True, highlight=False)
    console.print(f"Logs           {system.run_dir}", soft_wrap=True, highlight=False)


def _while_well(system: System, sights: Iterator[Seen]) -> Iterator[Seen]:
    """What is seen, until the system itself says that nothing more will come."""
    for seen in sights:
        yield seen
        if fault := system.fault():
            raise LocalStackError(fault)


def _contact_sheet(path: Path, receipt: dict[str, Any]) -> Path:
    from gpu_job.pictures import contact_sheet  # noqa: PLC0415 - needs what `submit` does without

    sheet = path.with_suffix(".png")
    contact_sheet(path, sheet, caption=f"{receipt['spec']['perspective']}: {receipt['spec']['prompt']}")
    return sheet


def _where_the_time_went(job: Job, usage: dict[str, Any]) -> Table:
    """Between the wish and the video, in seconds."""
    assert job.started_at is not None
    assert job.finished_at is not None
    queued_s = (job.started_at - job.created_at).total_seconds()
    whole_s = (job.finished_at - job.created_at).total_seconds()
    known_s = queued_s + usage["whole_s"]  # its parts overlap
    table = Table("stage", "seconds", title=f"Where the time went, on {usage['device']}", title_justify="left")
    table.caption = "Decoding, the eye and both encoders work at the same time."
    table.columns[1].justify = "right"
    for stage, seconds in (
        ("waiting for a worker to start", queued_s),
        ("loading the model", usage["load_s"]),
        ("rendering: denoise and decode", usage["render_s"]),
        ("the creature's eye", usage["see_s"]),
        ("encoding H.264, as seen and as drawn", usage["encode_s"]),
        ("imports, upload, event, notify", max(0.0, whole_s - known_s)),
        ("from wish to video", whole_s),
    ):
        table.add_row(stage, f"{seconds:.2f}")
    return table


def _kind(path: Path) -> str:
    """What the file says that it is."""
    import av  # noqa: PLC0415 - needs what `submit` does without

    with av.open(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        size = f"{context.width}x{context.height}"
        return f"{context.name} {context.pix_fmt}, {size}, {video.frames} frames, {video.average_rate} fps"
