"""A worker process that is told to go: it gives everything back in time, whatever it is in the middle of."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from cli.here import MODELS_DIR
from shared.documents import Stage, State, Status
from shared.messages import RenderRequested, decode
from tests.contract.worker_site import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from local.processes import ChildProcess
    from tests.contract.worker_site import Site, Wish

pytestmark = pytest.mark.emulators

#: A Spot node that is taken away leaves 15 s, of which Kubernetes keeps some.
GRACE_S = 10.0


def assert_it_gives_everything_back(worker: ChildProcess, stop: signal.Signals, *, site: Site, wish: Wish) -> None:
    assert site.job(wish).status is Status.IN_PROGRESS
    begun = time.monotonic()

    os.kill(worker.pid, stop)
    wait_until(lambda: worker.poll() is not None, what="the worker leaves")

    assert time.monotonic() - begun < GRACE_S
    assert worker.poll() == 0, worker.log_path.read_text()
    render, job = site.render(wish), site.job(wish)
    assert (render.state, render.token, render.attempts, render.retries) == (State.IDLE, 1, 0, 0)
    assert (job.status, job.stage, job.progress) == (Status.QUEUED, None, 0)
    message = site.next_message()
    assert message
    assert decode(RenderRequested, message.data).render_key == wish.render_key
    assert "video.mp4" not in site.objects(wish)
    assert list(site.scratch.glob("life-as-not-me-*")) == []


@pytest.mark.parametrize(
    ("stage", "stop"),
    [
        pytest.param(stage, stop, id=f"{stage}-{stop.name}")
        for stage, stop in [*((each, signal.SIGTERM) for each in Stage), (Stage.RENDERING, signal.SIGINT)]
    ],
)
def test_a_worker_that_is_told_to_go_while_its_work_does_not_listen_gives_everything_back_in_time(
    site: Site, tmp_path: Path, stage: Stage, stop: signal.Signals
) -> None:
    wish = site.wish()
    stuck = tmp_path / "stuck"
    worker = site.start_worker("-m", "tests.contract.stuck_worker", STUCK_AT=stage, STUCK_FILE=str(stuck))
    wait_until(lambda: worker.poll() is not None or stuck.exists(), what="the work hangs")
    wait_until(lambda: worker.poll() is not None or site.job(wish).stage is stage, what="everybody can see the stage")

    assert_it_gives_everything_back(worker, stop, site=site, wish=wish)


def test_a_worker_that_is_told_to_go_while_it_waits_for_work_takes_no_more(site: Site) -> None:
    granted = site.wish()
    worker = site.start_worker("-m", "local.instant_worker", WARM_S="600")
    wait_until(lambda: worker.poll() is not None or site.job(granted).is_final, what="the worker has nothing to do")
    begun = time.monotonic()

    os.kill(worker.pid, signal.SIGTERM)
    wait_until(lambda: worker.poll() is not None, what="the worker leaves")

    assert time.monotonic() - begun < GRACE_S
    assert worker.poll() == 0, worker.log_path.read_text()
    later = site.wish()
    message = site.next_message()
    assert message
    assert decode(RenderRequested, message.data).render_key == later.render_key
    assert site.next_message() is None


@pytest.mark.render
@pytest.mark.parametrize("part", ["denoising", "decoding"])
def test_a_worker_that_is_told_to_go_in_the_middle_of_real_work_gives_everything_back_in_time(
    site: Site, tmp_path: Path, part: str
) -> None:
    pytest.importorskip("torch")
    # At this size either part takes more than a second on two cores, even of the pocket model.
    wish = site.wish(frames=81, width=832, height=480, steps=1)
    entered, left = tmp_path / "entered", tmp_path / "left"
    where = {"MODELS_DIR": str(MODELS_DIR), "DEVICE": "cpu", "PART": part, "ENTERED": str(entered), "LEFT": str(left)}
    worker = site.start_worker("-m", "tests.contract.watched_worker", **where)
    wait_until(lambda: worker.poll() is not None or entered.exists(), what="the model is at work", patience_s=90)

    assert_it_gives_everything_back(worker, signal.SIGTERM, site=site, wish=wish)

    assert not left.exists(), "the part was over before the worker was told to go"
