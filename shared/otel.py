"""The recorder on OpenTelemetry's SDK. Imported at the first span, and only where something is exported.

``console`` and ``file:FOLDER`` write each span as a line of JSON when it ends, and measures now and then: FOLDER has a
file for each process. ``gcp:REGION`` sends both in OTLP to Google's Telemetry API, which keeps spans for Cloud Trace
and metrics for PromQL; see docs/decisions/0022-traces-and-metrics.md.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.measures import MEASURES, Kind
from shared.tracing import FLUSH_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    from shared.measures import Measure

log = logging.getLogger(__name__)

ENDPOINT: Final = "https://telemetry.googleapis.com/v1"
#: Of one request with spans or measures. What is not sent by then is given up.
TIMEOUT_S: Final = 2.0
#: Spans that wait to be sent; what comes on top is dropped.
MOST_WAITING: Final = 2048
#: Measures are sent so often by themselves.
EVERY_S: Final = 60.0
#: Cloud Monitoring refuses points of one series that follow sooner than 5 s.
LEAST_BETWEEN_S: Final = 10.0
#: The Telemetry API takes no more points in one request.
MOST_POINTS: Final = 200

_propagator: Final = TraceContextTextMapPropagator()


class OtelRecorder:
    """Implements `shared.tracing.Recorder`.

    Args:
        service: which room speaks.
        spans: take each span that ends.
        readers: take the measures.
        resource: what else is known of this process.
        least_between_s: seconds between two sendings of measures, but for the last one.
        when_closed: done last.
    """

    def __init__(
        self,
        *,
        service: str,
        spans: SpanProcessor,
        readers: Sequence[MetricReader] = (),
        resource: Mapping[str, str] | None = None,
        least_between_s: float = 0.0,
        when_closed: Callable[[], object] = lambda: None,
    ) -> None:
        known = {"service.name": service, "service.instance.id": uuid.uuid4().hex, **(resource or {})}
        self._tracers = TracerProvider(resource=Resource(known), sampler=ALWAYS_ON, shutdown_on_exit=False)
        self._tracers.add_span_processor(spans)
        self._tracer = self._tracers.get_tracer("lifeasnotme")
        self._meters = MeterProvider(readers, resource=Resource(known), shutdown_on_exit=False)
        meter = self._meters.get_meter("lifeasnotme")
        self._instruments: dict[str, Any] = {each.name: _instrument(meter, each) for each in MEASURES}
        self._flushing = threading.Lock()
        self._least_between_s = least_between_s
        self._sent_at = time.monotonic()
        self._when_closed = when_closed

    @contextmanager
    def span(self, name: str, *, parent: str | None, attributes: Mapping[str, Any]) -> Iterator[None]:
        """See `Recorder.span`."""
        with self._tracer.start_as_current_span(
            name, _context(parent), attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as exc:
                # Its message may hold anything.
                span.set_status(trace.StatusCode.ERROR, type(exc).__name__)
                raise

    def past_span(
        self, name: str, *, begun_ns: int, ended_ns: int, parent: str | None, attributes: Mapping[str, Any]
    ) -> None:
        """See `Recorder.past_span`."""
        span = self._tracer.start_span(name, _context(parent), attributes=attributes, start_time=begun_ns)
        span.end(ended_ns)

    def note(self, attributes: Mapping[str, Any]) -> None:
        """See `Recorder.note`."""
        trace.get_current_span().set_attributes(attributes)

    def traceparent(self) -> str | None:
        """See `Recorder.traceparent`."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent")

    def take(self, measure: Measure, value: float, labels: Mapping[str, str]) -> None:
        """See `Recorder.take`."""
        instrument = self._instruments[measure.name]
        match measure.kind:
            case Kind.COUNTER:
                instrument.add(value, labels)
            case Kind.HISTOGRAM:
                instrument.record(value, labels)
            case Kind.GAUGE:
                instrument.set(value, labels)

    def flush(self, *, at_most_s: float, is_last: bool = False) -> None:
        """See `Recorder.flush`. The SDK's own time limit is not kept, so it is left behind where it takes longer."""
        thread = threading.Thread(target=self._flush, args=(is_last,), name="telemetry", daemon=True)
        thread.start()
        thread.join(at_most_s)

    def close(self) -> None:
        """Send what is left, and end its threads: it records no more."""
        atexit.unregister(self.flush)
        self._tracers.shutdown()
        self._meters.shutdown()
        self._when_closed()

    def _flush(self, is_last: bool) -> None:  # noqa: FBT001 - of a thread
        if not self._flushing.acquire(blocking=is_last):
            return  # somebody else is at it
        try:
            self._tracers.force_flush()
            if is_last or time.monotonic() - self._sent_at >= self._least_between_s:
                self._sent_at = time.monotonic()
                self._meters.force_flush()
        finally:
            self._flushing.release()


def recorder_of(exporter: str, *, service: str, project: str) -> OtelRecorder:
    """The recorder that the setting `shared.tracing.Exporter` asks for; not for ``none``."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # each failure, with a stack: ours is said once
    kind, _, where = exporter.partition(":")
    recorder = _to_google(service, project, region=where) if kind == "gcp" else _to_lines(service, where)
    # Cloud Run tells an instance to go, and gives it 10 s.
    atexit.register(recorder.flush, at_most_s=FLUSH_S, is_last=True)
    return recorder


def _to_lines(service: str, folder: str) -> OtelRecorder:
    """Lines of JSON on standard output, or in a new file of that folder."""
    out, is_ours = sys.stdout, bool(folder)
    if is_ours:
        path = Path(folder) / f"{service}-{os.getpid()}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        out = path.open("a", encoding="utf-8")  # until the recorder is closed, or the process ends
    spans = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    measures = ConsoleMetricExporter(out=out, formatter=lambda data: data.to_json(indent=None) + "\n")
    told = _Told()
    return OtelRecorder(
        service=service,
        spans=SimpleSpanProcessor(_Careful(spans, told)),
        readers=[PeriodicExportingMetricReader(_careful(measures, told), EVERY_S * 1000)],
        when_closed=out.close if is_ours else lambda: None,
    )


def _to_google(service: str, project: str, *, region: str) -> OtelRecorder:
    import google.auth  # noqa: PLC0415 - for Google alone, as are the next
    from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    # One each: they send from different threads.
    spans = OTLPSpanExporter(endpoint=f"{ENDPOINT}/traces", timeout=TIMEOUT_S, session=AuthorizedSession(credentials))
    measures = OTLPMetricExporter(
        endpoint=f"{ENDPOINT}/metrics",
        timeout=TIMEOUT_S,
        session=AuthorizedSession(credentials),
        max_export_batch_size=MOST_POINTS,
    )
    told = _Told()
    return OtelRecorder(
        service=service,
        spans=BatchSpanProcessor(_Careful(spans, told), max_queue_size=MOST_WAITING, schedule_delay_millis=1000),
        readers=[PeriodicExportingMetricReader(_careful(measures, told), EVERY_S * 1000, TIMEOUT_S * 1000)],
        resource={
            "gcp.project_id": project,
            "service.namespace": "lifeasnotme",
            "location": region,  # without one, no metric is taken
        },
        least_between_s=LEAST_BETWEEN_S,
    )


class _Told:
    """Whether somebody was told that nothing is sent: once is enough."""

    def __init__(self) -> None:
        self._is_told = False

    def tell(self, what: str, exc: Exception | None = None) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning("telemetry is not sent", extra={"action": "telemetry", "what": what}, exc_info=exc)


class _Careful(SpanExporter):
    """An exporter that never raises, and says once that it can't send."""

    def __init__(self, exporter: SpanExporter, told: _Told) -> None:
        self._exporter, self._told = exporter, told

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception as exc:  # noqa: BLE001 - whatever it is, a render goes on
            self._told.tell("spans", exc)
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._told.tell("spans")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _careful(exporter: Any, told: _Told) -> Any:  # noqa: ANN401 - a reader asks an exporter for more than its protocol has
    """The same exporter, made as careful as `_Careful`."""
    export = exporter.export

    def careful(data: MetricsData, timeout_millis: float = 10_000, **options: Any) -> MetricExportResult:  # noqa: ANN401
        try:
            result: MetricExportResult = export(data, timeout_millis, **options)
        except Exception as exc:  # noqa: BLE001 - as above
            told.tell("measures", exc)
            return MetricExportResult.FAILURE
        if result is not MetricExportResult.SUCCESS:
            told.tell("measures")
        return result

    exporter.export = careful
    return exporter


def _context(parent: str | None) -> Context | None:
    """That of the parent; None: that of the span around it."""
    return _propagator.extract({"traceparent": parent}) if parent else None


def _instrument(meter: Any, measure: Measure) -> Any:  # noqa: ANN401 - three kinds
    match measure.kind:
        case Kind.COUNTER:
            return meter.create_counter(measure.name, measure.unit, measure.summary)
        case Kind.HISTOGRAM:
            return meter.create_histogram(
                measure.name, measure.unit, measure.summary, explicit_bucket_boundaries_advisory=measure.bounds
            )
        case Kind.GAUGE:
            return meter.create_gauge(measure.name, measure.unit, measure.summary)
