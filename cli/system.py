"""Starting the system on this machine: on Google's emulators where they are, else embedded."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.here import MODELS_DIR, new_run_dir
from local.emulator_finder import find_emulators
from local.errors import EmulatorMissingError
from local.processes import HOST, ensure_port_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cli.stopwatch import Stopwatch


@dataclass(frozen=True, kw_only=True)
class System:
    """What runs."""

    api_url: str
    run_dir: Path
    #: For other programs that use Google's clients; empty when embedded.
    env: Mapping[str, str]
    #: Tells why renders are not made any more; None while all is well.
    fault: Callable[[], str | None]


@contextmanager
def running_system(
    *, embedded: bool, fall_back: bool, port: int, workers: int, stopwatch: Stopwatch
) -> Iterator[System]:
    """Start it, and stop it at the end.

    Args:
        embedded: run without emulators, even where there are some.
        fall_back: run without emulators where there are none.
        port: of the API; 0 draws a free one.
        workers: most of them at a time.
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
    if binaries is None:
        # Waiting threads that spin cost a shared machine up to nine times the rendering time. Read at torch's import.
        os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
        # Late: brings the whole system into this process.
        from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: PLC0415
        from local.embedded import serve_embedded  # noqa: PLC0415

        renderer = DiffusersRenderer(MODELS_DIR)
        with serve_embedded(run_dir=run_dir, port=port, renderer=lambda: renderer) as system:
            stopwatch.lap("system in one process")
            yield System(
                api_url=system.api_url,
                run_dir=run_dir,
                env={},
                fault=lambda: next(iter(system.faults), None),
            )
        return
    from local.stack import LocalStack, StackOptions  # noqa: PLC0415

    options = StackOptions(run_dir=run_dir, models_dir=MODELS_DIR, port=port, max_workers=workers)
    with LocalStack(options, binaries=binaries, say=lambda name, _seconds: stopwatch.lap(name)) as stack:
        yield System(api_url=stack.api_url, run_dir=run_dir, env=stack.env, fault=lambda: stack.fault)
