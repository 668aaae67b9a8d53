"""The worker as a process, on Google's emulators and the storage emulator: what it leaves behind when it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from shared.documents import State, Status
from tests.contract.worker_site import wait_until

if TYPE_CHECKING:
    from tests.contract.worker_site import Site

pytestmark = pytest.mark.emulators


def test_a_worker_makes_the_video_acknowledges_the_message_and_leaves(site: Site) -> None:
    wish = site.wish()
    worker = site.start_worker("-m", "local.instant_worker")

    wait_until(lambda: worker.poll() is not None, what="the worker leaves")
    wait_until(lambda: site.job(wish).is_final, what="the job is final")

    assert worker.poll() == 0, worker.log_path.read_text()
    assert "video.mp4" in site.objects(wish)
    assert site.render(wish).state is State.COMPLETED
    assert site.job(wish).status is Status.COMPLETED
    assert [event.job_id for event in site.job_events()] == [wish.job_id]
    assert site.next_message() is None


def test_a_worker_that_finds_nothing_to_do_leaves_without_ever_importing_torch(site: Site) -> None:
    worker = site.start_worker("-X", "importtime", "-m", "gpu_job.main", PATIENCE_S="0")

    wait_until(lambda: worker.poll() is not None, what="the worker leaves")

    log = worker.log_path.read_text()
    assert worker.poll() == 0, log
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", log, re.MULTILINE))
    assert "gpu_job.consumer" in imported
    assert imported.isdisjoint({"torch", "diffusers", "transformers", "gpu_job.diffusers_renderer"})
