"""The command ``lifeasnotme``. Exit status 0 when it did what was asked, 1 when it could not, 2 when asked wrongly."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from cli.api_client import ApiClient, ApiError
from cli.here import announced, announced_url
from cli.progress import follow_job
from cli.stopwatch import Stopwatch
from local.errors import EmulatorMissingError, LocalStackError
from shared.documents import Status
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

F = TypeVar("F", bound="Callable[..., None]")

console = Console(highlight=False)
#: How often `up` looks whether all is well.
LOOK_S = 0.5
#: A folder that is there, so that a video that took minutes can be saved.
OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)


def _with_api(command: F) -> Any:  # noqa: ANN401 - click's decorators have no types that survive
    """Give the command a client of the API that ``--api`` names, or of the one that runs here."""

    @click.option(
        "--api",
        metavar="URL",
        envvar="LIFEASNOTME_API",
        help="Any deployment. Default: the one that `up` started here.",
    )
    @wraps(command)
    def wrapped(api: str | None, **arguments: Any) -> None:  # noqa: ANN401
        url = api or announced_url()
        if url is None:
            raise click.ClickException("No API: start one with `lifeasnotme up`, or name one with --api URL.")
        try:
            command(client=ApiClient(url), **arguments)
        except ApiError as exc:
            raise click.ClickException(str(exc)) from exc

    return wrapped


def _in_a_folder(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="life-as-not-me", message="%(version)s")
def main() -> None:
    """See the world through someone else's eyes: short videos from another creature's perspective."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)


def _as_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@main.command()
@click.argument("perspective", default="curious-cat")
@click.option("--prompt", help="What happens in front of the eyes.")
@click.option("--embedded", is_flag=True, help="One process, without emulators, even where there are some.")
def demo(perspective: str, prompt: str | None, *, embedded: bool) -> None:
    """Start the system, make one video, show where the time went, and stop."""
    from cli.demo import run_demo  # noqa: PLC0415 - brings the whole system

    try:
        run_demo(perspective=perspective, prompt=prompt, embedded=embedded, console=console)
    except (LocalStackError, ApiError) as exc:
        raise click.ClickException(str(exc)) from exc


@main.command()
@click.option("--port", default=0, help="Port of the API. Default: one that is free.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 16), help="Most workers at a time.")
@click.option("--embedded", is_flag=True, help="One process, without emulators, even where there are some.")
def up(port: int, workers: int, *, embedded: bool) -> None:
    """Keep the system running on this machine until Ctrl-C, and print its addresses."""
    from cli.system import running_system  # noqa: PLC0415 - brings the whole system

    stopwatch = Stopwatch(console)
    try:
        with running_system(
            embedded=embedded, fall_back=False, port=port, workers=workers, stopwatch=stopwatch
        ) as system:
            console.print(f"\nAPI      {system.api_url}")
            console.print(f"Logs     {system.run_dir}")
            for name, value in system.env.items():
                console.print(f"export   {name}={value}", soft_wrap=True)
            console.print("\nIn another terminal:  lifeasnotme submit curious-cat\nCtrl-C stops everything.")
            with announced(system.api_url):
                _wait_for_ctrl_c(system.fault)
            console.print("Stopping …")
    except EmulatorMissingError as exc:
        raise click.ClickException(f"{exc} Or do without: lifeasnotme up --embedded") from exc
    except LocalStackError as exc:
        raise click.ClickException(str(exc)) from exc
    stopwatch.lap("stopped; nothing is left running")


def _wait_for_ctrl_c(fault: Callable[[], str | None]) -> None:
    told: str | None = None
    with suppress(KeyboardInterrupt):
        while True:
            if (found := fault()) and found != told:
                console.print(f"No more videos are made: {found}", style="red", markup=False)
                told = found
            time.sleep(LOOK_S)


@main.command()
@click.argument("perspective")
@click.option("--prompt", help="What happens in front of the eyes. Default: a scene that suits the creature.")
@click.option("--theme", help="Light and weather; see `lifeasnotme themes`.")
@click.option("--seed", type=int, help="The same seed and wish give the same video. Default: one of a few.")
@click.option("--model", help="One that the deployment serves. Default: its first.")
@click.option("--size", metavar="WxH", help="One that the model can do. Default: its first.")
@click.option("--seconds", type=float, help="One that the model can do. Default: its first.")
@click.option("--priority", type=click.Choice([each.value for each in Priority]), help="Default: interactive.")
@click.option("--idempotency-key", help="Sending it again with the same wish makes no second job. Default: a new one.")
@click.option("--output", "-o", type=OUTPUT, callback=_in_a_folder, help="Where the mp4 goes.")
@click.option("--no-wait", is_flag=True, help="Print the job's id and leave; see `lifeasnotme watch`.")
@_with_api
def submit(
    client: ApiClient, output: Path | None, idempotency_key: str | None, *, no_wait: bool, **wish: object
) -> None:
    """Wish for a video as PERSPECTIVE would see it, watch it being made, and save it."""
    seen = client.submit(wish, idempotency_key=idempotency_key or secrets.token_hex(16))
    if no_wait:
        click.echo(seen.job.job_id)
        return
    _follow_and_save(client, seen.job.job_id, output)


@main.command()
@click.argument("job_id")
@click.option("--output", "-o", type=OUTPUT, callback=_in_a_folder, help="Where the mp4 goes.")
@_with_api
def watch(client: ApiClient, job_id: str, output: Path | None) -> None:
    """Watch a job until it is final, and save its video."""
    _follow_and_save(client, job_id, output)


@main.command()
@_with_api
def perspectives(client: ApiClient) -> None:
    """List whose eyes there are."""
    _list(client.catalogue("perspectives"), "id", "name", "kind", "sight")


@main.command()
@_with_api
def themes(client: ApiClient) -> None:
    """List the themes."""
    _list(client.catalogue("themes"), "id", "name", "summary")


def _follow_and_save(client: ApiClient, job_id: str, output: Path | None) -> None:
    try:
        job = follow_job(client.watch(job_id), console=console)
    except KeyboardInterrupt:
        console.print(f"\nThe job goes on. Come back to it:  lifeasnotme watch {job_id}")
        sys.exit(130)
    if job.status is not Status.COMPLETED:
        raise ApiError(f"The job is {job.status.value}: {job.error.message if job.error else 'no reason given'}")
    assert job.request is not None
    path = output or Path(f"{job.request.perspective}-{job.job_id[:8]}.mp4")
    client.save_video(job_id, path)
    console.print(f"Saved {path}", soft_wrap=True)


def _list(entries: list[dict[str, Any]], *columns: str) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for entry in entries:
        table.add_row(*(str(entry[column]) for column in columns))
    console.print(table)


if __name__ == "__main__":
    main()
