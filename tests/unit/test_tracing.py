"""Spans and measures: one trace from door to door, nothing private in it, and no harm where nobody listens."""

from __future__ import annotations

import http.server
import json
import logging
import re
import subprocess
import sys
import threading
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from google.auth.credentials import AnonymousCredentials
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from gpu_job.lease import Lease
from local.bundles import ROOT
from shared import otel, tracing
from shared.documents import Stage
from shared.errors import ErrorCode, Permanent
from shared.measures import (
    ATTRIBUTES,
    FAILURES,
    WAIT,
    SpanName,
)
from shared.messages import RenderRequested, encode
from shared.telemetry import configure
from shared.testing import TRACEPARENT
from tests.unit.http_world import World as ApiWorld
from tests.unit.notify_world import World as NotifyWorld
from tests.unit.recorded import Recorded, recorded
from tests.unit.render_job_world import handle, raising
from tests.unit.worker_world import GreyRenderer, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

#: A word that is in every prompt below, and nowhere else.
PRIVATE: Final = "xyzzy"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def trace_ids(found: Recorded) -> set[str]:
    return {f"{each.context.trace_id:032x}" for each in found.spans if each.context}


def trace_of(traceparent: str) -> str:
    ids = tracing.ids_of(traceparent)
    assert ids
    return ids[0]


def of(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


# --- one trace ---


def test_a_wish_is_a_part_of_its_caller_s_trace_and_hands_its_own_span_on() -> None:
    api = ApiWorld()
    with recorded() as found:
        job = api.post(traceparent=TRACEPARENT).body

    assert trace_of(TRACEPARENT) in trace_ids(found) == {job["traceparent"].split("-")[1]}
    submit = found.span(SpanName.SUBMIT)
    assert job["traceparent"] == f"00-{submit.context.trace_id:032x}-{submit.context.span_id:016x}-01"
    assert found.parent(SpanName.PUBLISH) == SpanName.SUBMIT
    assert dict(submit.attributes or {})["job_id"] == job["job_id"]


def test_a_caller_without_a_trace_begins_one_and_one_that_does_not_record_is_recorded_here() -> None:
    api = ApiWorld()
    with recorded() as found:
        one, other = api.post().body, api.post(traceparent=TRACEPARENT[:-2] + "00").body

    assert len(trace_ids(found)) == 2
    assert [int(job["traceparent"][-2:], 16) & 1 for job in (one, other)] == [1, 1], "recorded"


def test_a_worker_goes_on_with_the_trace_and_has_a_span_for_each_stage(world: World) -> None:
    world.wish("job-aaaa", message=False)
    world.send_message(encode(RenderRequested(render_key=world.key, traceparent=TRACEPARENT)))
    with recorded() as found:
        handle(world)

    assert trace_ids(found) == {trace_of(TRACEPARENT)}
    stages = [each for each in found.names if each in set(Stage)]
    assert stages == ["loading", "rendering", "encoding", "uploading"]
    assert {found.parent(each) for each in (*stages, SpanName.DECODING, SpanName.VIDEO)} == {SpanName.RENDER}
    assert found.parent(SpanName.COMMIT) == SpanName.RENDER
    ends = [found.span(each) for each in stages]
    assert all(one.end_time == following.start_time for one, following in pairwise(ends)), "no second is lost"


def test_a_stage_that_fails_has_a_span_too_and_the_error_is_named_by_its_type(world: World) -> None:
    world.wish("job-aaaa")
    refusal = Permanent(f"{PRIVATE} can't be drawn", code=ErrorCode.RENDER_FAILED)
    with recorded() as found:
        handle(world, GreyRenderer(raising(refusal)))

    assert SpanName.LOADING in found.names
    assert SpanName.RENDERING in found.names
    assert found.span(SpanName.RENDER).status.description == "Permanent"
    assert not found.span(SpanName.RENDER).events


def test_the_event_is_in_each_job_s_own_trace_with_the_time_that_it_waited() -> None:
    world = NotifyWorld()
    world.wish("job-aaaa", "job-bbbb")
    elsewhere = f"00-{'b' * 32}-{'b' * 16}-01"
    world.change_job("job-bbbb", lambda job: job.model_copy(update={"traceparent": elsewhere}))
    world.clock.pass_s(7)
    lease = world.claimant("honest").claim(world.key)
    assert isinstance(lease, Lease)
    lease.renew(Stage.LOADING, 0)
    world.clock.pass_s(5)
    world.put_video()
    with recorded() as found:
        world.hear()

    events = {each.context.trace_id for each in found.spans if each.name == SpanName.EVENT and each.context}
    assert events == {int(trace_of(each), 16) for each in (TRACEPARENT, elsewhere)}
    waits = [each for each in found.spans if each.name == SpanName.WAIT]
    assert [(each.end_time or 0) - (each.start_time or 0) for each in waits] == [7_000_000_000] * 2
    assert found.measured(WAIT) == {of(priority="interactive", model=world.example.spec.model): 14}
    assert found.measured(FAILURES) == {}


def test_a_job_that_fails_is_counted_by_its_code_and_one_that_was_never_taken_has_not_waited() -> None:
    world = NotifyWorld()
    world.wish("job-aaaa")
    world.fail()
    with recorded() as found:
        world.repair()

    assert found.measured(FAILURES) == {of(code="render_failed"): 1}
    assert SpanName.WAIT not in found.names


# --- nothing private ---


def test_no_span_says_more_than_it_may(tmp_path: Path) -> None:
    api, worker = ApiWorld(), World(tmp_path)
    with recorded() as found:
        job = api.post({"perspective": "curious-cat", "prompt": f"a {PRIVATE} in the sun"}).body
        api.post({"perspective": PRIVATE, "prompt": PRIVATE})
        api.claim(job["render_key"])
        api.finish(job["render_key"])
        api.get(f"/jobs/{job['job_id']}/video")
        worker.wish("job-aaaa")
        handle(worker)

    assert {SpanName.SUBMIT, SpanName.EVENT, SpanName.LINK, SpanName.RENDER} <= set(found.names)
    said = [(name, value) for each in found.spans for name, value in (each.attributes or {}).items()]
    assert said
    assert {name for name, _ in said} <= ATTRIBUTES
    assert not [value for _, value in said if re.search(rf"{PRIVATE}|://|Bearer|eyJ", str(value))]
    assert not [each.name for each in found.spans if each.events]


# --- nobody listens ---


class Broken(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        raise ConnectionError("nobody there")

    def shutdown(self) -> None:
        pass


def test_an_exporter_that_fails_is_told_of_once_and_the_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    recorder = otel.OtelRecorder(service="test", spans=SimpleSpanProcessor(otel._Careful(Broken(), otel._Told())))
    with caplog.at_level(logging.WARNING), tracing.recording(recorder):
        for _ in range(3):
            with tracing.span("work"):
                pass

    assert [each.message for each in caplog.records] == ["telemetry is not sent"]


class Stuck(SpanExporter):
    def __init__(self) -> None:
        self.let_go = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        self.let_go.wait()
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        return self.let_go.wait()

    def shutdown(self) -> None:
        pass


def test_a_flush_that_is_not_answered_is_left_behind() -> None:
    stuck = Stuck()
    recorder = otel.OtelRecorder(service="test", spans=BatchSpanProcessor(stuck, schedule_delay_millis=3_600_000))
    with tracing.recording(recorder):
        with tracing.span("work"):
            pass
        tracing.flush(at_most_s=0.01)  # returns: that is the test
        assert not stuck.let_go.is_set()
        stuck.let_go.set()
    recorder.close()


def test_what_can_t_be_set_up_is_told_of_and_nothing_is_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").write_text("")
    tracing.start(f"file:{tmp_path / 'a-file'}", service="test", project="p")
    with caplog.at_level(logging.ERROR), tracing.span("work"):
        assert tracing.traceparent() is None

    assert "telemetry can't be recorded" in caplog.text


def test_the_last_call_that_leaves_sends_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing._Here, "calls", 0)  # answers of other tests may never have been closed
    flushes: list[float] = []

    class Counting(otel.OtelRecorder):
        def flush(self, *, at_most_s: float, is_last: bool = False) -> None:
            del is_last
            flushes.append(at_most_s)

    with tracing.recording(Counting(service="test", spans=SimpleSpanProcessor(Broken()))):
        with tracing.call():
            with tracing.call():
                pass
            assert flushes == []
        assert flushes == [tracing.FLUSH_S]


@pytest.mark.parametrize("value", ["", "gcp", "gcp:", "file:", "otlp", "gcp:US", "none:x"])
def test_an_exporter_that_there_is_not_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be none, console"):
        tracing._known(value)


# --- to Google ---


class Taker(http.server.BaseHTTPRequestHandler):
    """Stands in for the Telemetry API: takes whatever is posted."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, TakingServer)
        self.server.taken[self.path].append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class TakingServer(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.taken: dict[str, list[bytes]] = defaultdict(list)


@pytest.fixture
def api() -> Iterator[TakingServer]:
    with TakingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_google_gets_spans_and_measures_of_a_named_process_in_a_region(
    api: TakingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "ENDPOINT", f"http://127.0.0.1:{api.server_port}/v1")
    monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), "p"))
    recorder = otel.recorder_of("gcp:europe-west4", service="submit", project="art-project")
    with tracing.recording(recorder):
        with tracing.span(SpanName.SUBMIT, parent=TRACEPARENT, job_id="job-0001"):
            FAILURES.take(1, code="render_failed")
        tracing.flush(at_most_s=30, is_last=True)
    recorder.close()

    [traces] = [ExportTraceServiceRequest.FromString(body) for body in api.taken["/v1/traces"]]
    [found] = traces.resource_spans[0].scope_spans[0].spans
    assert (found.name, found.trace_id.hex()) == (SpanName.SUBMIT, trace_of(TRACEPARENT))
    about = {each.key: each.value.string_value for each in traces.resource_spans[0].resource.attributes}
    assert about.pop("service.instance.id")
    assert about == {
        "service.name": "submit",
        "service.namespace": "lifeasnotme",
        "gcp.project_id": "art-project",
        "location": "europe-west4",
    }
    metrics = ExportMetricsServiceRequest.FromString(api.taken["/v1/metrics"][0])
    assert [each.name for each in metrics.resource_metrics[0].scope_metrics[0].metrics] == [FAILURES.name]


# --- logs, files, imports ---


def test_a_console_has_a_line_for_each_span_and_its_measures_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = otel.recorder_of("console", service="submit", project="p")
    with tracing.recording(recorder), tracing.span(SpanName.SUBMIT, parent=TRACEPARENT, job_id="job-0001"):
        FAILURES.take(1, code="render_failed")
    recorder.close()

    span, measures = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (span["name"], span["attributes"]) == (SpanName.SUBMIT, {"job_id": "job-0001"})
    assert span["context"]["trace_id"] == f"0x{trace_of(TRACEPARENT)}"
    [metric] = measures["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    assert (metric["name"], metric["data"]["data_points"][0]["value"]) == (FAILURES.name, 1)
    print("still open")  # noqa: T201 - standard output is not the recorder's to close


def test_a_line_says_which_trace_and_span_it_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure(service="test", level="INFO", project="art-project")
        with recorded(), tracing.span("work", parent=TRACEPARENT):
            here = tracing.traceparent()
            logging.getLogger("tests").info("inside")
        logging.getLogger("tests").info("outside")
    finally:
        root.handlers = handlers
        root.setLevel(level)

    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    trace_id, span_id = tracing.ids_of(here) or ("", "")
    assert inside["logging.googleapis.com/trace"] == f"projects/art-project/traces/{trace_id}"
    assert (inside["logging.googleapis.com/spanId"], inside["logging.googleapis.com/trace_sampled"]) == (span_id, True)
    assert not [name for name in outside if name.startswith("logging.googleapis.com")]


def test_the_sdk_is_imported_at_the_first_span_and_never_where_nothing_is_exported(tmp_path: Path) -> None:
    code = f"""
import sys
import gpu_job.main, gpu_job.render_job
from shared import tracing
sdk = lambda: [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
with tracing.span("nobody looks"):
    pass
tracing.start("file:{tmp_path}", service="test", project="p")
tracing.flush()
assert not sdk(), sdk()
with tracing.span("work", job_id="job-0001"):
    pass
assert sdk()
assert "opentelemetry.exporter.otlp" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    [file] = tmp_path.glob("test-*.jsonl")
    assert [json.loads(line)["name"] for line in file.read_text().splitlines() if '"context"' in line] == ["work"]
