"""How a worker's process ends: with which code, and what its last line in the log says."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gpu_job import main
from gpu_job.attendance import Attendance
from gpu_job.cold_start import ColdStart
from gpu_job.heartbeat import HungError, Interrupted, PreemptedError
from gpu_job.renderer import RenderStopped, UnfitError
from gpu_job.worker_settings import WorkerSettings
from shared.documents import Stage
from shared.errors import Permanent, Retryable
from shared.settings import SettingsError, read_settings
from tests.unit.worker_world import GreyRenderer

if TYPE_CHECKING:
    from pathlib import Path

    from gpu_job.heartbeat import Inbox
    from gpu_job.render_job import Workshop
    from gpu_job.renderer import Renderer, Watch

ENV = {"GOOGLE_CLOUD_PROJECT": "nowhere", "ARTIFACT_BUCKET": "artifacts"}


@pytest.fixture(autouse=True)
def _no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are built, and nobody calls them."""
    for name in ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")


def run(
    monkeypatch: pytest.MonkeyPatch,
    *,
    ends_with: Exception | None = None,
    renderer: Renderer | None = None,
    inbox: Inbox | None = None,
    **env: str,
) -> int:
    """A worker whose consuming ends so; its exit code."""

    def consume(*, workshop: Workshop, **_: Any) -> int:
        if ends_with:
            raise ends_with
        workshops.append(workshop)
        return 0

    workshops: list[Workshop] = []
    monkeypatch.setattr(main, "consume", consume)
    settings = read_settings(WorkerSettings, ENV | env)
    renderer_of = (lambda _: renderer) if renderer else (lambda _: pytest.fail("not asked for"))
    return main._run(settings, inbox or queue.SimpleQueue(), renderer_of, ColdStart(process_s=None))


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


# --- what comes before the first message ---


def test_a_worker_that_is_ready_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert run(monkeypatch, READY_FILE=str(tmp_path / "ready")) == 0
    assert (tmp_path / "ready").exists()
    assert [vars(each)["models"] for each in caplog.records if vars(each).get("action") == "ready"] == [("pocket",)]


def test_a_worker_that_is_told_to_warm_up_has_drawn_a_clip_before_it_is_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    was_ready = []
    renderer = GreyRenderer(lambda _: was_ready.append(ready.exists()))
    assert run(monkeypatch, renderer=renderer, WARM_UP="true", READY_FILE=str(ready)) == 0
    assert was_ready == [False, False], "two steps are enough"
    assert ready.exists()


def test_a_worker_that_is_not_wanted_draws_no_clip_and_loads_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attendance, "is_wanted", lambda _: False)
    assert run(monkeypatch, WARM_UP="true") == 0, "nobody asked for a renderer"


def test_a_worker_that_can_not_draw_that_clip_ends_instead_of_failing_renders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_: Watch) -> None:
        raise Permanent("There is no model pocket on this machine.")

    ready = str(tmp_path / "ready")
    assert run(monkeypatch, renderer=GreyRenderer(refuse), WARM_UP="true", READY_FILE=ready) == 1
    assert not (tmp_path / "ready").exists()


def test_a_worker_that_is_told_to_go_while_it_warms_up_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inbox: Inbox = queue.SimpleQueue()
    stopped = threading.Event()

    def interrupt(watch: Watch) -> None:
        inbox.put(Interrupted())
        for _ in range(1000):  # until it is stopped
            try:
                watch.moved(Stage.RENDERING, 1, 2)
            except RenderStopped:
                stopped.set()
                raise
            stopped.wait(0.01)

    ready = str(tmp_path / "ready")
    assert run(monkeypatch, renderer=GreyRenderer(interrupt), inbox=inbox, WARM_UP="true", READY_FILE=ready) == 0
    assert stopped.wait(5)
    assert not (tmp_path / "ready").exists()


def test_a_worker_that_is_to_serve_what_the_catalogue_does_not_have_is_told_so() -> None:
    with pytest.raises(SettingsError, match=r"SERVED_MODELS: .*not in the catalogue of models: sora"):
        read_settings(WorkerSettings, ENV | {"SERVED_MODELS": "pocket,sora"})
