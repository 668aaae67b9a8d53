"""How a worker's process ends: with which code, and what its last line in the log says."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest

from gpu_job import main
from gpu_job.heartbeat import HungError, PreemptedError
from gpu_job.renderer import UnfitError
from gpu_job.worker_settings import WorkerSettings
from shared.errors import Retryable
from shared.settings import read_settings

if TYPE_CHECKING:
    from gpu_job.render_job import Workshop

ENV = {"GOOGLE_CLOUD_PROJECT": "nowhere", "ARTIFACT_BUCKET": "artifacts"}


@pytest.fixture(autouse=True)
def _no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are built, and nobody calls them."""
    for name in ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")


def run(monkeypatch: pytest.MonkeyPatch, *, ends_with: Exception | None) -> int:
    """A worker whose consuming ends so; its exit code."""

    def consume(*, workshop: Workshop, **_: Any) -> int:
        if ends_with:
            raise ends_with
        workshops.append(workshop)
        return 0

    workshops: list[Workshop] = []
    monkeypatch.setattr(main, "consume", consume)
    return main._run(read_settings(WorkerSettings, ENV), queue.SimpleQueue(), lambda _: pytest.fail("not asked for"))


@pytest.mark.parametrize(
    ("ends_with", "code"),
    [
        (None, 0),
        (PreemptedError(), 0),
        (HungError("no movement"), 1),
        (Retryable("no answer"), 1),
        (UnfitError("this worker can't render: DEVICE is nonsense"), 1),
    ],
)
def test_a_worker_ends_with_an_error_only_where_it_is_at_fault(
    monkeypatch: pytest.MonkeyPatch, ends_with: Exception | None, code: int
) -> None:
    assert run(monkeypatch, ends_with=ends_with) == code


def test_an_unfit_worker_says_why(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    run(monkeypatch, ends_with=UnfitError("this worker can't render: DEVICE is nonsense"))
    [line] = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert vars(line)["reason"] == "this worker can't render: DEVICE is nonsense"


def test_a_call_that_hangs_when_the_signal_comes_leaves_time_to_give_the_lease_back() -> None:
    assert main.STORE_TIMEOUT_S <= main.GRACE_S / 2
