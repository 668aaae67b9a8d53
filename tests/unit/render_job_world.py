"""What the tests of one message have in common: a worker that handles it, and work that breaks or lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gpu_job.render_job import render_job
from shared.documents import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_job.renderer import Renderer, Watch
    from tests.unit.worker_world import World

#: For what must not last at all: a test that fails does not hang.
PATIENCE_S = 5.0


def raising(error: Exception) -> Callable[[Watch], None]:
    def at_step(_: Watch) -> None:
        raise error

    return at_step


def until_stopped(watch: Watch) -> None:
    """Work on and on at the first step."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        watch.moved(Stage.RENDERING, 1, 4)
        pause.wait(0.005)
    pytest.fail("nobody stopped the work")


def handle(world: World, renderer: Renderer | None = None) -> None:
    """Let a worker handle the next message."""
    render_job(world.next_message(), workshop=world.workshop(renderer))
