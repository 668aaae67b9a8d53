"""What is recorded while a test looks: spans and measures in memory, on OpenTelemetry's own SDK."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.otel import OtelRecorder
from shared.tracing import recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import ReadableSpan

    from shared.measures import Measure


class Recorded:
    """All that was told to it."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        processor = SimpleSpanProcessor(self._exporter)
        self.recorder = OtelRecorder(service="test", spans=processor, readers=[self._reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order of their ends."""
        return list(self._exporter.get_finished_spans())

    @property
    def names(self) -> list[str]:
        """Of the spans, in the order of their begin."""
        return [each.name for each in sorted(self.spans, key=lambda each: each.start_time or 0)]

    def span(self, name: str) -> ReadableSpan:
        """The only one of that name."""
        [found] = [each for each in self.spans if each.name == name]
        return found

    def parent(self, name: str) -> str | None:
        """Name of the span that the only one of that name is a part of; None where it was recorded elsewhere."""
        parent = self.span(name).parent
        ids = {each.context.span_id: each.name for each in self.spans if each.context}
        return ids.get(parent.span_id) if parent else None

    def measured(self, measure: Measure) -> dict[frozenset[tuple[str, Any]], Any]:
        """Its points by their labels: a number, or the sum of a histogram."""
        data = self._reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == measure.name
        ]
        points: Mapping[frozenset[tuple[str, Any]], Any] = {
            frozenset((point.attributes or {}).items()): getattr(point, "value", getattr(point, "sum", None))
            for metric in metrics
            for point in metric.data.data_points
        }
        return dict(points)


@contextmanager
def recorded() -> Iterator[Recorded]:
    """Record what happens inside."""
    found = Recorded()
    with recording(found.recorder):
        yield found
