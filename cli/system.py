"""Starting the system on this machine: on Google's emulators where they are, else embedded."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cli.here import MODELS_DIR, new_run_dir
from local.emulator_finder import find_emulators
from local.errors import EmulatorMissingError, PageLeftOutError
from local.page import PageConfig, serve_page
from local.page_build import built_page
from local.processes import HOST, ensure_port_free, free_port
from local.tokens import PROJECT, local_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cli.stopwatch import Stopwatch

#: Where Vite serves the page while somebody works on it.
DEVELOPMENT_ORIGINS = ("http://localhost:5173", "http://127.0.0.1:5173")


@dataclass(frozen=True, kw_only=True)
class System:
    """What runs."""

    api_url: str
    run_dir: Path
    #: For other programs that use Google's clients; empty when embedded.
    env: Mapping[str, str]
    #: Tells why renders are not made any more; None while all is well.
    fault: Callable[[], str | None]
    #: Where people meet it; None: it was left out.
    page_url: str | None = None


@contextmanager
def running_system(
    *, embedded: bool, fall_back: bool, port: int, workers: int, page: bool, stopwatch: Stopwatch
) -> Iterator[System]:
    """Start it, and stop it at the end.

    Args:
        embedded: run without emulators, even where there are some.
        fall_back: run without emulators where there are none.
        port: of the API; 0 draws a free one.
        workers: most of them at a time.
        page: serve it too, where it can be built.
        stopwatch: hears of each part that is ready.

    Raises:
        LocalStackError: something is missing, or a port is taken.
    """
    if port:
        ensure_port_free(HOST, port, wanted_by="API")
    run_dir = new_run_dir()
    binaries = None
    if not embedded:
        try:
            binaries = find_emulators(download=True, on_progress=stopwatch.download)
        except EmulatorMissingError as exc:
            if not fall_back:
                raise
            stopwatch.note(f"Running embedded, in one process, without emulators: {exc}")
    dist = _page(run_dir, stopwatch) if page else None
    page_port = free_port(HOST)
    origins = (f"http://{HOST}:{page_port}", f"http://localhost:{page_port}", *DEVELOPMENT_ORIGINS)
    with ExitStack() as running:
        if binaries is None:
            system = running.enter_context(_embedded(run_dir, port, origins, stopwatch))
        else:
            from local.stack import LocalStack, StackOptions  # noqa: PLC0415

            options = StackOptions(
                run_dir=run_dir, models_dir=MODELS_DIR, port=port, max_workers=workers, cors_origins=origins
            )
            stack = running.enter_context(
                LocalStack(options, binaries=binaries, say=lambda name, _seconds: stopwatch.lap(name))
            )
            system = System(api_url=stack.api_url, run_dir=run_dir, env=stack.env, fault=lambda: stack.fault)
        if dist:
            config = PageConfig(
                api=system.api_url,
                project=PROJECT,
                firestore_emulator=system.env.get("FIRESTORE_EMULATOR_HOST"),
                local_token=local_token(),
            )
            system = replace(system, page_url=running.enter_context(serve_page(dist, port=page_port, config=config)))
        yield system


def _page(run_dir: Path, stopwatch: Stopwatch) -> Path | None:
    try:
        return built_page(log_path=run_dir / "logs" / "page.log", say=stopwatch.lap)
    except PageLeftOutError as exc:
        stopwatch.note(f"The page is left out: {exc}")
        return None


@contextmanager
def _embedded(run_dir: Path, port: int, origins: tuple[str, ...], stopwatch: Stopwatch) -> Iterator[System]:
    # Waiting threads that spin cost a shared machine up to nine times the rendering time. Read at torch's import.
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    # Late: brings the whole system into this process.
    from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: PLC0415
    from local.embedded import serve_embedded  # noqa: PLC0415

    renderer = DiffusersRenderer(MODELS_DIR)
    with serve_embedded(run_dir=run_dir, port=port, renderer=lambda: renderer, cors_origins=origins) as running:
        stopwatch.lap("system in one process")
        yield System(api_url=running.api_url, run_dir=run_dir, env={}, fault=lambda: next(iter(running.faults), None))
