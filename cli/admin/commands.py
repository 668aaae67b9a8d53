"""The commands for whoever operates the service: ``top``, ``inspect``, ``retry``, ``fail``, ``drain``.

Exit status 0 when it did what was asked, 1 when it could not, 2 when asked wrongly.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.console import Console

from cli.own_spans import kept_in
from shared.crew import MAX_REASON_CHARS
from shared.documents import JOB_ID_PATTERN
from shared.errors import LifeAsNotMeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cli.admin.overview import Overview, WorkerLine
    from cli.admin.site import Site
    from shared.documents import Job
    from shared.job_store import Stored

F = TypeVar("F", bound="Callable[..., None]")

#: Between two looks of `top`: in the cloud each costs some fifty reads of Firestore.
LOOK_S: Final = 2.0
#: Where nobody has a screen, lines are as long as they are.
WIDE_CHARS: Final = 160
#: Between two looks of `drain --wait`.
DRAIN_LOOK_S: Final = 1.0
AGREED = click.option("--yes", is_flag=True, help="Do not ask.")


def _on_a_site(command: F) -> Any:  # noqa: ANN401 - click's decorators have no types that survive
    """Give the command the system that ``--project`` names, or the one that runs here."""

    @click.option(
        "--project",
        metavar="PROJECT",
        envvar="LIFEASNOTME_PROJECT",
        help="Google Cloud project of a deployment; needs application-default credentials. Default: what runs here.",
    )
    @click.option(
        "--bucket",
        metavar="BUCKET",
        envvar="LIFEASNOTME_BUCKET",
        help="Its artifact bucket. Default: PROJECT-lifeasnotme-artifacts.",
    )
    @wraps(command)
    def wrapped(project: str | None, bucket: str | None, **arguments: Any) -> None:  # noqa: ANN401
        from cli.admin import site  # noqa: PLC0415

        with _told():
            place = site.find_place(project=project, bucket=bucket, environ=os.environ)
            command(site=site.connect(place), **arguments)

    return wrapped


@contextmanager
def _told() -> Iterator[None]:
    """What can go wrong, as one line."""
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

    try:
        yield
    except LifeAsNotMeError as exc:
        raise click.ClickException(str(exc)) from exc
    except GoogleAuthError as exc:
        hint = "log in with `gcloud auth application-default login`"
        raise click.ClickException(f"Google does not know who you are: {hint}. ({type(exc).__name__})") from exc


def _job_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(JOB_ID_PATTERN, value):
        raise click.BadParameter(f"{value!r} is no job's id")
    return value


def _reason(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    words = " ".join(value.split())
    if not words.isprintable() or not 0 < len(words) <= MAX_REASON_CHARS:
        raise click.BadParameter(f"it must be one to {MAX_REASON_CHARS} characters that can be printed")
    return words


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDE_CHARS)
    return console


JOB = click.argument("job_id", metavar="JOB", callback=_job_id)


def _found(site: Site, job_id: str) -> Stored[Job]:
    found = site.store.job(job_id)
    if found is None:
        raise click.BadParameter(f"there is no job {job_id} on {site.place.name}", param_hint="JOB")
    return found


@click.command()
@click.option("--once", is_flag=True, help="Print one table and end. So it does where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and end.")
@click.option("--every", type=click.FloatRange(1, 3600), default=LOOK_S, show_default=True, help="Seconds.")
@_on_a_site
def top(site: Site, every: float, *, once: bool, as_json: bool) -> None:
    """Watch the service: what there is to do, who works on what, which jobs wait, and which have failed.

    With BUDGET_BULK_GPU_S and BUDGET_GPU_S as the service has them, it says whether bulk waits for another day.
    """
    from rich.live import Live  # noqa: PLC0415

    from cli.admin.overview import look_around  # noqa: PLC0415
    from cli.admin.overview_view import sights, view  # noqa: PLC0415
    from cli.admin.site import budget_of  # noqa: PLC0415

    budget = budget_of(site, os.environ)

    def look() -> Overview:
        return look_around(where=site.place.name, store=site.store, crew=site.crew, budget=budget, now=site.now())

    console = _console()
    if as_json:
        click.echo(look().model_dump_json())
    elif once or not console.is_terminal:
        console.print(view(look()))
    else:
        try:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                for sight in sights(look):
                    live.update(sight, refresh=True)
                    time.sleep(every)
        except KeyboardInterrupt:
            return


@click.command()
@JOB
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_on_a_site
def inspect(site: Site, job_id: str, *, as_json: bool) -> None:
    """Show the whole history of JOB: its document, render, lease, objects, event, and what happened when.

    The words of a prompt are left out.
    """
    from cli.admin.history import history_of, log_command  # noqa: PLC0415
    from cli.admin.history_view import view  # noqa: PLC0415

    job = _found(site, job_id)
    found = history_of(
        job,
        where=site.place.name,
        store=site.store,
        artifacts=site.artifacts,
        log_dir=site.place.log_dir,
        logs="" if site.place.is_local else log_command(job.value, project=site.place.project),
    )
    if as_json:
        click.echo(found.model_dump_json())
    else:
        _console().print(view(found))


@click.command()
@JOB
@_on_a_site
def retry(site: Site, job_id: str) -> None:
    """Have JOB tried again: publish the message of one that waits, or ask again for what has failed.

    A failed job stays failed. Its owner gets a new one, whose id is printed.
    """
    from cli.admin import moves  # noqa: PLC0415

    job = _found(site, job_id)
    with kept_in(site.place.telemetry):
        click.echo(moves.retry(job, site=site).said)


@click.command()
@JOB
@click.option("--reason", required=True, callback=_reason, help="Why. The job's owner reads it.")
@AGREED
@_on_a_site
def fail(site: Site, job_id: str, reason: str, *, yes: bool) -> None:
    """End JOB, which is not final, as failed. The render stops when nobody else waits for it."""
    from cli.admin import moves  # noqa: PLC0415

    job = _found(site, job_id)
    if not yes:
        click.confirm(f"Fail job {job_id} ({job.value.status.value}) on {site.place.name}?", abort=True)
    with kept_in(site.place.telemetry):
        click.echo(moves.fail(job, reason=reason, site=site).said)


@click.command()
@click.option("--off", is_flag=True, help="Have workers take work again.")
@click.option("--reason", default="no reason given", callback=_reason, help="Why. `top` shows it.")
@click.option("--wait", "wait_s", type=click.FloatRange(0, 86_400), help="Wait so many seconds until all have left.")
@AGREED
@_on_a_site
def drain(site: Site, reason: str, wait_s: float | None, *, off: bool, yes: bool) -> None:
    """Have every worker finish what it has and leave, and none started. Wishes are accepted, and wait.

    A job that waits for 24 hours fails, in bulk for seven days, so remember `drain --off`.
    """
    from cli.admin import moves  # noqa: PLC0415

    if not off and not yes:
        click.confirm(f"Have all workers leave on {site.place.name}?", abort=True)
    orders = moves.order(is_draining=not off, reason=reason, site=site)
    if off:
        click.echo("Workers take work.")
        return
    click.echo(f"Workers are drained since {orders.changed_at:%Y-%m-%d %H:%M:%S} UTC: {orders.reason}")
    if wait_s is not None:
        _wait_until_empty(site, wait_s=wait_s)


def _wait_until_empty(site: Site, *, wait_s: float) -> None:
    from cli.admin.overview import Doing, workers  # noqa: PLC0415

    def present() -> Sequence[WorkerLine]:
        found = workers(store=site.store, crew=site.crew, now=site.now())
        return [each for each in found if each.doing is not Doing.LOST]

    give_up_at = time.monotonic() + wait_s
    while left := present():
        if time.monotonic() >= give_up_at:
            names = ", ".join(f"{each.holder} ({each.doing.value})" for each in left)
            raise click.ClickException(f"After {wait_s:g} s there are still {names}.")
        time.sleep(DRAIN_LOOK_S)
    click.echo("No worker is there.")


COMMANDS: Final = (top, inspect, retry, fail, drain)
