"""Logs: one JSON object a line, with the fields of the job at hand and nothing of its prompt."""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from expand_batch import take_chunk
from intake import take_in

from gpu_job.render_job import render_job
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.errors import Retryable
from shared.job_store.memory import InMemoryJobStore
from shared.jobs import FIRST_CHECK, JOB_DEADLINE
from shared.messages import BATCH_CHUNKS, RenderRequested, encode
from shared.publisher.memory import InMemoryPublisher
from shared.telemetry import configure, context, traceparent_or_new
from shared.testing import AN_OFFER, TRACEPARENT, Clock
from shared.tracing import ids_of
from tests.unit.admission_world import an_admission
from tests.unit.http_world import WISH
from tests.unit.http_world import World as ApiWorld
from tests.unit.notify_world import World as NotifyWorld
from tests.unit.recorded import recorded
from tests.unit.worker_world import World

log = logging.getLogger("tests.telemetry")


@pytest.fixture(autouse=True)
def _root_logger_as_it_was(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:  # noqa: ARG001 - closes after it
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_one_json_object_with_severity_service_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    log.info("job accepted", extra={"action": "submit", "n": 3})
    [line] = lines(capsys)
    assert line.pop("time")
    assert line == {
        "severity": "INFO",
        "logger": "tests.telemetry",
        "message": "job accepted",
        "service": "submit",
        "action": "submit",
        "n": 3,
    }


def test_an_exception_stays_on_its_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    try:
        int("one\ntwo")
    except ValueError:
        log.exception("request failed")
    [line] = lines(capsys)
    assert line["severity"] == "ERROR"
    assert "ValueError: invalid literal" in line["exc_info"]


def test_line_breaks_and_other_scripts_do_not_break_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    log.info("odd", extra={"text": 'a\nb "c" 猫'})
    assert lines(capsys)[0]["text"] == 'a\nb "c" 猫'


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="WARNING")
    log.info("quiet")
    log.warning("loud")
    assert [line["message"] for line in lines(capsys)] == ["loud"]


def test_configuring_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    configure(service="submit", level="INFO")
    log.info("once")
    assert len(lines(capsys)) == 1


def test_fields_of_a_context_are_on_every_line_inside_it_and_on_none_after(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    with context(job_id="a", render_key=None):
        log.info("one")
        with context(render_key="k"):
            log.info("two")
        log.info("three")
    log.info("four")
    seen = [{name: line.get(name) for name in ("job_id", "render_key") if name in line} for line in lines(capsys)]
    assert seen == [{"job_id": "a"}, {"job_id": "a", "render_key": "k"}, {"job_id": "a"}, {}]


def test_a_context_ends_with_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    with pytest.raises(ValueError, match="boom"), context(job_id="a"):
        raise ValueError("boom")
    log.info("after")
    assert "job_id" not in lines(capsys)[0]


def test_an_inner_context_outranks_the_outer(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    with context(job_id="outer"), context(job_id="inner"):
        log.info("x")
    assert lines(capsys)[0]["job_id"] == "inner"


def test_what_a_line_says_of_another_job_outranks_the_context(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    with context(job_id="mine"):
        log.info("event published", extra={"job_id": "another's"})
    assert lines(capsys)[0]["job_id"] == "another's"


def test_a_context_does_not_leak_into_another_thread(capsys: pytest.CaptureFixture[str]) -> None:
    configure(service="submit", level="INFO")
    with context(job_id="a"):
        thread = threading.Thread(target=log.info, args=("elsewhere",))
        thread.start()
        thread.join()
    assert "job_id" not in lines(capsys)[0]


@pytest.mark.parametrize(
    "request_", ['{"perspective": "curious-cat", "prompt": "xyzzy"}', '{"perspective": "xyzzy", "prompt": "xyzzy"}']
)
def test_a_wish_that_is_taken_in_or_refused_leaves_no_word_of_its_prompt(
    request_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(service="submit", level="DEBUG")
    clock = Clock()
    store = InMemoryJobStore(now=clock.now)
    take_in(
        f'{{"request": {request_}}}'.encode(),
        message_id="1",
        attributes={},
        store=store,
        publisher=InMemoryPublisher(),
        artifacts=InMemoryArtifactStore(),
        offer=AN_OFFER,
        admission=an_admission(store, monotonic=clock.monotonic),
        now=clock.now,
    )
    logged = lines(capsys)
    assert logged
    assert "xyzzy" not in json.dumps(logged)
    assert all(line["action"] for line in logged)


# --- trace context ---


def test_the_callers_trace_goes_on() -> None:
    assert traceparent_or_new(TRACEPARENT) == TRACEPARENT


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "garbage",
        TRACEPARENT.upper(),
        TRACEPARENT + "-00",
        TRACEPARENT + "\n",
        "01" + TRACEPARENT[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_what_is_no_trace_is_replaced_by_a_fresh_one(given: str | None) -> None:
    fresh = traceparent_or_new(given)
    assert fresh != given
    assert traceparent_or_new(fresh) == fresh
    assert traceparent_or_new(given) != fresh


def test_every_line_about_a_render_names_it_and_its_trace_from_whichever_thread(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.wish("job-aaaa", message=False)
    world.send_message(encode(RenderRequested(render_key=world.key, traceparent=TRACEPARENT)))
    configure(service="gpu_job", level="INFO")

    render_job(world.next_message(), workshop=world.workshop())

    told = lines(capsys)
    assert {"render claimed", "video committed", "render completed"} <= {line["message"] for line in told}
    assert {(line.get("render_key"), line.get("traceparent")) for line in told} == {(world.key, TRACEPARENT)}


# --- the traces of lines ---

PROJECT = "art-project"
ELSEWHERE = f"00-{'b' * 32}-{'b' * 16}-01"


def traces(told: list[dict[str, Any]]) -> set[tuple[str, str | None, str | None]]:
    """Message, job and trace of each line; its two ways to say the trace must agree."""
    for line in told:
        ids = ids_of(line.get("traceparent"))
        assert line.get("logging.googleapis.com/trace") == (f"projects/{PROJECT}/traces/{ids[0]}" if ids else None)
    return {(line["message"], line.get("job_id"), line.get("traceparent")) for line in told}


def test_a_line_about_a_job_is_in_the_job_s_own_trace_and_one_about_its_render_in_the_render_s(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = NotifyWorld()
    world.wish("job-aaaa", "job-bbbb")
    world.change_job("job-bbbb", lambda job: job.model_copy(update={"traceparent": ELSEWHERE}))
    world.claim()
    world.put_video()
    configure(service="notify", level="INFO", project=PROJECT)
    with recorded():
        world.hear()

    told = lines(capsys)
    assert traces(told) == {
        ("render completed", None, TRACEPARENT),
        ("event published", "job-aaaa", TRACEPARENT),
        ("event published", "job-bbbb", ELSEWHERE),
    }
    assert {line["render_key"] for line in told} == {world.key}
    assert all("logging.googleapis.com/spanId" in line for line in told if line["message"] == "event published")


def test_what_reconcile_does_is_told_in_the_trace_of_whom_it_was_done_for(capsys: pytest.CaptureFixture[str]) -> None:
    world = NotifyWorld()
    world.wish("job-aaaa")
    configure(service="notify", level="INFO", project=PROJECT)
    world.clock.pass_s(FIRST_CHECK.total_seconds())
    world.reconcile()
    world.clock.pass_s(JOB_DEADLINE.total_seconds())
    world.reconcile()

    assert traces(lines(capsys)) == {
        ("render repaired", None, TRACEPARENT),
        ("job failed", "job-aaaa", TRACEPARENT),
        ("event published", "job-aaaa", TRACEPARENT),
        ("reconciled", None, None),
    }


def test_a_line_that_tells_of_an_error_says_whose_it_was_though_it_is_written_at_the_door(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = NotifyWorld()
    world.wish("job-aaaa")
    world.clock.pass_s(FIRST_CHECK.total_seconds())
    world.publisher.is_down = True
    configure(service="notify", level="WARNING", project=PROJECT)
    world.reconcile()

    told = lines(capsys)
    assert traces(told) == {("not repaired", None, TRACEPARENT)}
    assert [line["render_key"] for line in told] == [world.key]


@pytest.mark.parametrize(
    ("failure", "message"),
    [(Retryable, "dependency does not answer"), (ValueError, "request failed")],
)
def test_an_error_of_the_api_is_told_in_the_trace_of_its_request(
    failure: type[Exception], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = ApiWorld()
    job_id = api.post(traceparent=TRACEPARENT).body["job_id"]
    configure(service="submit", level="ERROR", project=PROJECT)

    def break_down() -> None:
        raise failure("a reason")

    api.store.meddling.before("commit", break_down)
    api.post({"perspective": "curious-cat", "seed": 2}, traceparent=ELSEWHERE)
    api.store.failure = failure("a reason")
    api.get(f"/jobs/{job_id}", traceparent=ELSEWHERE)
    api.store.failure = failure("a reason")
    api.get(f"/jobs/{job_id}", traceparent="garbage")

    told = [(each["message"], each.get("traceparent")) for each in lines(capsys)]
    assert told == [(message, ELSEWHERE), (message, ELSEWHERE), (message, None)]


@pytest.mark.parametrize(("method", "path", "message"), [("POST", ":cancel", "canceled"), ("DELETE", "", "deleted")])
def test_a_job_is_canceled_or_deleted_in_its_own_trace(
    method: str, path: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = ApiWorld()
    job_id = api.post(traceparent=TRACEPARENT).body["job_id"]
    configure(service="submit", level="INFO", project=PROJECT)
    api.call(method, f"/jobs/{job_id}{path}", headers={"traceparent": ELSEWHERE})

    assert traces(lines(capsys)) == {
        (f"job {message}", job_id, TRACEPARENT),
        ("event published", job_id, TRACEPARENT),
    }


def test_every_line_about_a_batch_is_in_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    api = ApiWorld()
    configure(service="submit", level="INFO", project=PROJECT)
    batch_id = api.post({"requests": [WISH]}, to="/batches", traceparent=TRACEPARENT).body["batch_id"]
    take_chunk(api.publisher.published[BATCH_CHUNKS][0].data, desk=api.desk)
    api.post({}, to=f"/batches/{batch_id}:cancel", traceparent=ELSEWHERE)
    take_chunk(api.publisher.published[BATCH_CHUNKS][1].data, desk=api.desk)

    told = lines(capsys)
    assert {"batch accepted", "rows placed", "batch canceled", "jobs canceled"} <= {each["message"] for each in told}
    assert {(each["batch_id"], each["traceparent"]) for each in told} == {(batch_id, TRACEPARENT)}
