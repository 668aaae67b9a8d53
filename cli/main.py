"""The command ``lifeasnotme``. Exit status 0 when it did what was asked, 1 when it could not, 2 when asked wrongly."""

from __future__ import annotations

import io
import os
import secrets
import shlex
import signal
import sys
import time
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.admin.commands import COMMANDS
from cli.api_client import ApiClient, ApiError
from cli.here import MODELS_DIR, announced, announced_url
from cli.known import known
from cli.metrics import metrics
from cli.own_spans import kept_beside
from cli.progress import follow_job
from cli.stopwatch import Stopwatch
from cli.trace import trace
from local.errors import EmulatorMissingError, LocalStackError
from local.tokens import local_token
from shared.catalogue import BrokenCatalogueError
from shared.catalogues import read_catalogues
from shared.documents import Status
from shared.measures import SpanName
from shared.requests import Priority
from shared.tracing import note, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from shared.documents import Job

F = TypeVar("F", bound="Callable[..., None]")

for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="replace")  # a terminal without arrows gets question marks
console = Console(highlight=False)
#: What people type to get here.
COMMAND = sys.argv[0] if os.sep in sys.argv[0] else "lifeasnotme"
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
    @click.option(
        "--token",
        metavar="TOKEN",
        envvar="LIFEASNOTME_TOKEN",
        help="ID token that says who you are. Default: none is needed on this machine.",
    )
    @wraps(command)
    def wrapped(api: str | None, token: str | None, **arguments: Any) -> None:  # noqa: ANN401
        url = api or announced_url()
        if url is None:
            raise click.ClickException(f"No API: start one with `{COMMAND} up`, or name one with --api URL.")
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"{url} is no address: it must begin with http:// or https://", param_hint="--api")
        try:
            command(client=ApiClient(url, token=token), **arguments)
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
    try:
        read_catalogues()
    except BrokenCatalogueError as exc:
        raise click.ClickException(str(exc)) from exc


def _as_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # make sends it on to a process that got it already
    raise KeyboardInterrupt


@main.command()
@click.argument("perspective", default="curious-cat")
@click.option("--prompt", help="What happens in front of the eyes.")
@click.option("--embedded", is_flag=True, help="One process, without emulators, even where there are some.")
@click.option("--no-page", is_flag=True, help="Without the page, even where it can be built.")
def demo(perspective: str, prompt: str | None, *, embedded: bool, no_page: bool) -> None:
    """Start the system, make one video, show where the time went, and stop."""
    from cli.demo import run_demo  # noqa: PLC0415 - brings the whole system

    known(perspective)
    try:
        run_demo(perspective=perspective, prompt=prompt, embedded=embedded, page=not no_page, console=console)
    except (LocalStackError, ApiError) as exc:
        raise click.ClickException(str(exc)) from exc


@main.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port of the API. Default: one that is free.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 16), help="Most workers at a time.")
@click.option("--embedded", is_flag=True, help="One process, without emulators, even where there are some.")
@click.option("--no-page", is_flag=True, help="Without the page, even where it can be built.")
def up(port: int, workers: int, *, embedded: bool, no_page: bool) -> None:
    """Keep the system running on this machine until Ctrl-C, and print its addresses."""
    from cli.system import running_system  # noqa: PLC0415 - brings the whole system

    console.print("[bold]Life As Not Me[/]: the system on this machine.")
    stopwatch = Stopwatch(console)
    try:
        with running_system(
            embedded=embedded,
            fall_back=False,
            port=port,
            workers=workers,
            page=not no_page,
            stopwatch=stopwatch,
        ) as system:
            console.print("")
            if system.page_url:
                console.print(f"Page     {system.page_url}")
            console.print(f"API      {system.api_url}")
            console.print(f"Logs     {system.run_dir}")
            for name, value in system.env.items():
                console.print(f"export   {name}={shlex.quote(value)}", soft_wrap=True, markup=False)
            console.print(f"export   LIFEASNOTME_TOKEN={local_token()}", soft_wrap=True, markup=False)
            console.print(
                f"\nIn another terminal:  {COMMAND} submit curious-cat\nCtrl-C stops everything.", soft_wrap=True
            )
            with announced(system.api_url, env=system.env, run_dir=system.run_dir):
                _wait_for_ctrl_c(system.fault)
            console.print("Stopping …")
    except EmulatorMissingError as exc:
        raise click.ClickException(f"{exc} Or do without: {COMMAND} up --embedded") from exc
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
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", "--out", "-o", type=OUTPUT, callback=_in_a_folder, help="Default: a name like FILE's, here.")
def see(perspective: str, file: Path, output: Path | None) -> None:
    """Show your own picture or video, FILE, as PERSPECTIVE would see it.

    A picture becomes a picture, a video an MP4 with its sound. Nothing leaves this machine.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    who = known(perspective)
    try:
        from cli.own_files import NotSeenError  # noqa: PLC0415
        from cli.see import ending_for, see_file  # noqa: PLC0415 - brings torch
    except ModuleNotFoundError as exc:
        raise click.ClickException(f"`see` needs {exc.name}, which is not installed: run `make setup` first.") from exc
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    said: list[str] = []
    try:
        path = output or Path(f"{file.stem}-{perspective}{ending_for(file)}")
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(escape(f"{who.name} looks at {file.name}"), total=None)
            see_file(
                file,
                path,
                who,
                seen=lambda done, total: progress.update(task, completed=done, total=total),
                say=said.append,
            )
    except NotSeenError as exc:
        raise click.ClickException(str(exc)) from exc
    except KeyboardInterrupt:
        console.print("\nStopped; nothing was written.")
        sys.exit(130)
    for sentence in said:
        console.print(sentence, soft_wrap=True, markup=False)
    console.print(f"Saved {path}", soft_wrap=True, markup=False)


@main.command()
@click.argument("receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", "--out", "-o", type=OUTPUT, callback=_in_a_folder, help="Default: rerender.mp4, here.")
@click.option(
    "--compare",
    "original",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The video that the receipt belongs to; the exit status is 1 where frames differ.",
)
@click.option(
    "--models-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=MODELS_DIR,
    help="Where models lie that do not come from the hub. Default: those of the repository.",
)
def rerender(receipt: Path, output: Path | None, original: Path | None, models_dir: Path) -> None:
    """Make a video again, on this machine, from its RECEIPT (a JSON file), and say how alike it is.

    Frames are equal where versions, device and number of threads are; what is not as it was is told.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    try:
        from cli import rerender as again  # noqa: PLC0415 - brings torch
    except ModuleNotFoundError as exc:
        raise click.ClickException(
            f"`rerender` needs {exc.name}, which is not installed: run `make setup` first."
        ) from exc
    path = output or Path("rerender.mp4")
    if original and path.resolve() == original.resolve():
        raise click.BadParameter(f"{path} is the video to compare with; name another one.", param_hint="--output")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        was = again.read_receipt(receipt)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("loading", total=None)
            told = again.rerender(
                was,
                path,
                models_dir=models_dir,
                moved=lambda stage, done, total: progress.update(
                    task, description=stage.value, completed=done, total=total
                ),
            )
        console.print(f"Saved {path}", soft_wrap=True, markup=False)
        are_equal, sentence = again.compare(path, original) if original else (True, "")
    except again.NotRerenderedError as exc:
        raise click.ClickException(str(exc)) from exc
    except KeyboardInterrupt:
        console.print("\nStopped; nothing was written.")
        sys.exit(130)
    if not told and not are_equal:
        told = ["Nothing that the receipt knows of is otherwise than it was."]
    for line in filter(None, [sentence, *told]):
        console.print(line, soft_wrap=True, markup=False)
    sys.exit(not are_equal)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificates in PEM: fail unless one of them vouches for the signer. Default: anybody may have signed.",
)
@click.option(
    "--receipt",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fail unless this is the receipt that FILE names.",
)
def verify(file: Path, trust: Path | None, receipt: Path | None) -> None:
    """Say what a video or poster, FILE, says of itself, and fail where it was changed since it was signed."""
    try:
        from cli import verify as reading  # noqa: PLC0415 - brings the reader of the standard
    except ModuleNotFoundError as exc:
        raise click.ClickException(
            f"`verify` needs {exc.name}, which is not installed: run `make setup-light` first."
        ) from exc
    try:
        said = reading.verify(file, trust=trust, receipt=receipt)
    except reading.NotVerifiedError as exc:
        raise click.ClickException(str(exc)) from exc
    for line in said.sentences:
        console.print(line, soft_wrap=True, markup=False)


@main.command()
@click.argument("perspective")
@click.option("--prompt", help="What happens in front of the eyes. Default: a scene that suits the creature.")
@click.option("--theme", help="Light and weather; see `lifeasnotme themes`.")
@click.option("--seed", type=int, help="The same seed and wish give the same video. Default: one of a few.")
@click.option("--model", help="See `lifeasnotme models`. Default: the deployment's first.")
@click.option("--size", metavar="WxH", help="See `models`. Default: the model's first.")
@click.option("--seconds", type=click.FloatRange(0, 60), help="See `models`. Default: the model's first.")
@click.option("--priority", type=click.Choice([each.value for each in Priority]), help="Default: interactive.")
@click.option("--idempotency-key", help="Sending it again with the same wish makes no second job. Default: a new one.")
@click.option("--output", "-o", type=OUTPUT, callback=_in_a_folder, help="Where the mp4 goes.")
@click.option("--no-wait", is_flag=True, help="Print the job's id and leave; see `lifeasnotme watch`.")
@_with_api
def submit(
    client: ApiClient, output: Path | None, idempotency_key: str | None, *, no_wait: bool, **wish: object
) -> None:
    """Wish for a video as PERSPECTIVE would see it, watch it being made, and save it."""
    with kept_beside(client.url), span(SpanName.WISH):
        seen = client.submit(wish, idempotency_key=idempotency_key or secrets.token_hex(16))
        note(job_id=seen.job.job_id)
        if no_wait:
            click.echo(seen.job.job_id)
            return
        job = _followed(client, seen.job.job_id)
        note(status=job.status.value)
    _save(client, job, output)


@main.command()
@click.argument("job_id")
@click.option("--output", "-o", type=OUTPUT, callback=_in_a_folder, help="Where the mp4 goes.")
@_with_api
def watch(client: ApiClient, job_id: str, output: Path | None) -> None:
    """Watch a job until it is final, and save its video."""
    _save(client, _followed(client, job_id), output)


main.add_command(trace)
main.add_command(metrics)


@main.command()
@_with_api
def perspectives(client: ApiClient) -> None:
    """List whose eyes there are."""
    _list(client.catalogue("perspectives"), "id", "name", "kind", "sight")


@main.command()
@_with_api
def models(client: ApiClient) -> None:
    """List the models that the deployment serves, with the sizes and seconds that they can do."""
    entries = client.catalogue("models")
    for entry in entries:
        entry["sizes"] = ", ".join(entry["sizes"])
        entry["seconds"] = ", ".join(f"{each['seconds']:g}" for each in entry["lengths"])
    _list(entries, "id", "sizes", "seconds", "summary")


@main.command()
@_with_api
def themes(client: ApiClient) -> None:
    """List the themes."""
    _list(client.catalogue("themes"), "id", "name", "summary")


def _followed(client: ApiClient, job_id: str) -> Job:
    """The job once it is final."""
    try:
        return follow_job(client.watch(job_id), console=console)
    except KeyboardInterrupt:
        console.print(f"\nThe job goes on. Come back to it:  {COMMAND} watch {job_id}", soft_wrap=True)
        sys.exit(130)


def _save(client: ApiClient, job: Job, output: Path | None) -> None:
    if job.status is not Status.COMPLETED:
        raise ApiError(f"The job is {job.status.value}: {job.error.message if job.error else 'no reason given'}")
    assert job.request is not None
    path = output or Path(f"{job.request.perspective}-{job.job_id[:8]}.mp4")
    client.save_video(job.job_id, path)
    console.print(f"Saved {path}", soft_wrap=True)


def _list(entries: list[dict[str, Any]], *columns: str) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for entry in entries:
        table.add_row(*(str(entry[column]) for column in columns))
    console.print(table)


for _command in COMMANDS:
    main.add_command(_command)

if __name__ == "__main__":
    main()
