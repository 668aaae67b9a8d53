"""Whichever door a wish comes in by, its trace begins with a span that is recorded, and nothing hangs on another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from expand_batch import take_chunk

from shared import tracing
from shared.job_store import Create
from shared.jobs import FIRST_CHECK
from shared.measures import SpanName
from shared.messages import (
    BATCH_CHUNKS,
    RENDER_REQUESTS,
    RENDER_REQUESTS_BULK,
    PlanScheduled,
    RenderRequested,
    decode,
    encode,
)
from shared.testing import TRACEPARENT
from tests.unit.batch_world import World as BatchWorld
from tests.unit.batch_world import a_row, limited
from tests.unit.http_world import World as ApiWorld
from tests.unit.intake_world import WISH
from tests.unit.intake_world import World as IntakeWorld
from tests.unit.notify_world import World as NotifyWorld
from tests.unit.recorded import Recorded, recorded

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from shared.publisher.memory import InMemoryPublisher


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Of the trace and of the span, as whoever goes on with it has them."""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parents_elsewhere(found: Recorded) -> set[str]:
    """Span ids that something hangs on and that were not recorded here."""
    here = {each.context.span_id for each in found.spans}
    return {f"{each.parent.span_id:016x}" for each in found.spans if each.parent and each.parent.span_id not in here}


def carried(publisher: InMemoryPublisher) -> set[tuple[str, str] | None]:
    """What the messages to workers go on with."""
    topics = (RENDER_REQUESTS, RENDER_REQUESTS_BULK)
    sent = [each.data for topic in topics for each in publisher.published[topic]]
    return {tracing.ids_of(decode(RenderRequested, data).traceparent) for data in sent}


def caller(traceparent: str | None) -> set[str]:
    """The span that is recorded by who calls, if there is one."""
    found = tracing.ids_of(traceparent)
    return {found[1]} if found else set()


# --- batches ---


@pytest.mark.parametrize("given", [TRACEPARENT, None], ids=["of a caller's trace", "of nobody's"])
def test_a_batch_is_one_trace_from_its_door_to_the_messages_of_its_rows(given: str | None) -> None:
    api = ApiWorld()
    rows = [a_row(seed) for seed in (1, 2, 3)]
    with recorded() as found:
        batch = api.post({"requests": rows}, to="/batches", **({"traceparent": given} if given else {})).body
        [chunk] = api.publisher.published[BATCH_CHUNKS]
        take_chunk(chunk.data, desk=api.desk)

    accepted, expanded = found.span(SpanName.BATCH), found.span(SpanName.EXPAND)
    assert tracing.ids_of(batch["traceparent"]) == ids(accepted)
    assert carried(api.publisher) == {ids(accepted)}
    assert found.parent(SpanName.EXPAND) == SpanName.BATCH
    assert found.parent(SpanName.PUBLISH) == SpanName.EXPAND
    assert parents_elsewhere(found) == caller(given)
    assert [dict(each.attributes or {}) for each in (accepted, expanded)] == [
        {"batch_id": batch["batch_id"]},
        {"batch_id": batch["batch_id"], "rows": 3},
    ]


def test_rows_that_are_placed_one_by_one_are_in_the_trace_of_their_batch_too() -> None:
    world = limited(group_rows=2)
    other = BatchWorld()
    other.accept(requests=[a_row(1)])
    other.deliver()
    [render] = [each.value for each in other.store.renders({job.render_key or "" for job in other.jobs}).values()]
    with recorded() as found:
        batch = world.accept(requests=[a_row(1), a_row(2)])
        world.store.meddling.before("commit", lambda: world.store.commit(Create(value=render)))
        world.deliver()

    assert world.batch(batch).placed == 2
    published = [each for each in found.spans if each.name == SpanName.PUBLISH]
    expanded = found.span(SpanName.EXPAND)
    assert len(published) == 1, "the other was on its way"
    assert {each.parent.span_id for each in published if each.parent} == {expanded.context.span_id}


def test_a_manifest_and_a_plan_on_a_schedule_begin_a_trace_as_a_list_does() -> None:
    world = BatchWorld()
    with recorded() as found:
        world.schedule(encode(PlanScheduled(plan="fresh-takes", every="week")))
        world.deliver()

    accepted = found.span(SpanName.BATCH)
    assert accepted.parent is None
    assert tracing.ids_of(world.the_batch.traceparent) == ids(accepted)
    assert {tracing.ids_of(job.traceparent) for job in world.jobs} == carried(world.publisher) == {ids(accepted)}
    assert parents_elsewhere(found) == set()


def test_a_batch_that_is_canceled_is_so_in_its_own_trace() -> None:
    api = ApiWorld()
    with recorded() as found:
        batch = api.post({"requests": [a_row(1), a_row(2)]}, to="/batches").body
        take_chunk(api.publisher.published[BATCH_CHUNKS][0].data, desk=api.desk)
        api.post({}, to=f"/batches/{batch['batch_id']}:cancel")
        take_chunk(api.publisher.published[BATCH_CHUNKS][1].data, desk=api.desk)

    assert {each.context.trace_id for each in found.spans} == {found.span(SpanName.BATCH).context.trace_id}
    assert found.names.count(SpanName.EXPAND) == 2


# --- messages ---


@pytest.mark.parametrize("given", [TRACEPARENT, None], ids=["of a sender's trace", "of nobody's"])
def test_a_wish_by_message_hands_its_own_span_on(given: str | None) -> None:
    world = IntakeWorld()
    with recorded() as found:
        world.deliver({"schema_version": 1, "request": WISH}, **({"traceparent": given} if given else {}))

    taken_in = found.span(SpanName.INTAKE)
    assert tracing.ids_of(world.only_job.traceparent) == ids(taken_in)
    assert carried(world.publisher) == {ids(taken_in)}
    assert found.parent(SpanName.PUBLISH) == SpanName.INTAKE
    assert parents_elsewhere(found) == caller(given)
    said = dict(taken_in.attributes or {})
    assert (said["job_id"], said["render_key"]) == (world.only_job.job_id, world.only_job.render_key)


def test_what_a_message_says_of_its_trace_outranks_its_envelope() -> None:
    world, envelope = IntakeWorld(), f"00-{'b' * 32}-{'b' * 16}-01"
    with recorded() as found:
        world.deliver({"schema_version": 1, "request": WISH, "traceparent": TRACEPARENT}, traceparent=envelope)

    assert parents_elsewhere(found) == caller(TRACEPARENT)


@pytest.mark.parametrize(
    "message",
    [b"garbage", json.dumps({"schema_version": 1, "request": {"perspective": "nobody"}}).encode()],
    ids=["unreadable", "with faults"],
)
def test_a_message_that_is_refused_has_a_trace_with_its_event(message: bytes) -> None:
    world = IntakeWorld()
    with recorded() as found:
        world.deliver(message)

    assert found.parent(SpanName.EVENT) == SpanName.INTAKE
    assert tracing.ids_of(world.only_job.traceparent) == ids(found.span(SpanName.INTAKE))


# --- what is sent again ---


def test_a_message_that_reconcile_sends_again_is_in_the_trace_of_its_render() -> None:
    world = NotifyWorld()
    world.wish("job-aaaa")
    world.clock.pass_s(FIRST_CHECK.total_seconds())
    with recorded() as found:
        assert world.repair() == "published again"

    assert found.span(SpanName.PUBLISH)
    assert parents_elsewhere(found) == caller(TRACEPARENT)
