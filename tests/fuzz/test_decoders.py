"""Whatever comes in, it is read or refused in the decoder's own words: no other error, and nothing half done."""

from __future__ import annotations

import base64
import io
import json
import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import fastavro
import pytest
from accept_batch import accept_batch, accept_plan
from avro_requests import ENCODING_ATTRIBUTE, job_requested_schema
from batch_rows import MAX_LINE_BYTES, parse_row, read_rows
from burying import bury_request
from expand_batch import take_chunk
from hypothesis import given
from hypothesis import strategies as st
from notifier import object_finalized

from shared.artifact_paths import video_path
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.batches import Cursor, Manifest
from shared.catalogue import HERE, BrokenCatalogueError, load
from shared.commits import Commit, find_commit
from shared.documents import JOB_ID_PATTERN, Status
from shared.errors import ErrorCode, Permanent, Rejected
from shared.job_store.memory import InMemoryJobStore
from shared.manifest_store.memory import InMemoryManifestStore
from shared.messages import BatchChunk, JobEvent, JobRequested, PlanScheduled, RenderRequested, decode, encode, event_of
from shared.perspectives import Perspective
from shared.pushes import read_push
from shared.requests import Priority, parse_request
from shared.telemetry import traceparent_or_new
from shared.testing import AN_OFFER, TRACEPARENT, Clock, a_commit, a_job, a_render
from shared.themes import Theme
from tests.fuzz.cases import DECODER_CASES, drawn
from tests.fuzz.inputs import NASTY, almost, as_bytes, broken, documents, texts, values
from tests.unit import batch_world, intake_world, notify_world
from tests.unit.admission_world import an_admission
from tests.unit.http_world import TOKEN
from tests.unit.http_world import World as HttpWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: How many tests there are below: each has an equal share of the cases.
DECODERS = 15
some = drawn(DECODER_CASES, of=DECODERS)

RENDER = a_render(now=Clock().now())
JOB = a_job(RENDER, now=Clock().now()).model_copy(update={"status": Status.CANCELED})
WISH = {"perspective": "curious-cat", "prompt": "a moth", "theme": "rainy-night", "seed": 7, "model": "pocket"}
WISH |= {"size": "256x256", "seconds": 2, "priority": "bulk"}
MESSAGE = {"schema_version": 1, "job_id": "job-0001", "request": WISH, "traceparent": TRACEPARENT}
BATCH = {"requests": [WISH], "atomic": True, "priority": "bulk"}
MANIFEST = {"manifest": "gs://wishes/rows.jsonl"}
GOOD: dict[type, Any] = {
    RenderRequested: RenderRequested(render_key=RENDER.render_key, traceparent=TRACEPARENT),
    JobRequested: JobRequested.model_validate(MESSAGE),
    JobEvent: event_of(JOB),
    BatchChunk: BatchChunk(batch_id="batch-0001", cursor=3),
    PlanScheduled: PlanScheduled(plan="fresh-takes", every="week"),
}
ADMISSION = an_admission(InMemoryJobStore(), monotonic=lambda: 0.0)
SOURCES = st.sampled_from(["art-school", "", "../other", "a\nb", "x" * 100])


def test_every_decoder_has_its_share() -> None:
    assert sum(hasattr(each, "hypothesis") for each in globals().values()) == DECODERS


# --- messages ---


@some
@given(
    st.sampled_from(list(GOOD)).flatmap(
        lambda kind: st.tuples(st.just(kind), documents(json.loads(encode(GOOD[kind]))))
    )
)
def test_a_message_is_read_or_refused(drawn_message: tuple[Any, bytes]) -> None:
    schema, data = drawn_message
    try:
        message = decode(schema, data)
    except Rejected as exc:
        assert (exc.code, bool(exc.faults)) == (ErrorCode.MALFORMED_REQUEST, True)
    else:
        assert decode(schema, encode(message)) == message


@some
@given(documents(MESSAGE, MESSAGE | {"job_id": None}, WISH), SOURCES, texts.filter(str.isprintable))
def test_a_wish_by_message_becomes_one_job_whatever_it_is(data: bytes, source: str, message_id: str) -> None:
    world = intake_world.World()

    for _ in range(2):  # at least once is what is promised
        world.deliver(data, message_id=message_id, source=source)

    [job] = world.jobs
    assert re.fullmatch(JOB_ID_PATTERN, job.job_id)
    assert job.owner == ("system:art-school" if source == "art-school" else "system:unknown") or source == ""
    assert job.status in {Status.QUEUED, Status.FAILED}


def _avro(message: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    request = dict.fromkeys(field["name"] for field in _request_fields()) | message["request"]
    fastavro.schemaless_writer(file, fastavro.parse_schema(job_requested_schema()), {**message, "request": request})
    return file.getvalue()


def _request_fields() -> list[dict[str, Any]]:
    [field] = [each for each in job_requested_schema()["fields"] if each["name"] == "request"]
    return list(field["type"]["fields"])


@some
@given(
    st.one_of(st.binary(max_size=200), broken(_avro(MESSAGE)), documents(MESSAGE)),
    st.sampled_from(["BINARY", "JSON", "?"]),
)
def test_a_wish_in_avro_becomes_one_job_whatever_it_is(data: bytes, encoding: str) -> None:
    world = intake_world.World()

    world.deliver(data, source="art-school", **{ENCODING_ATTRIBUTE: encoding})

    assert len(world.jobs) == 1


@some
@given(
    st.one_of(
        values,
        almost(
            {
                "message": {
                    "data": "e30=",
                    "attributes": {"source": "a"},
                    "messageId": "1",
                    "publishTime": "2026-11-26T00:00:00Z",
                }
            }
        ),
    ),
    texts,
)
def test_a_push_is_read_whatever_was_posted(event_data: Any, event_id: str) -> None:
    push = read_push(event_data, event_id=event_id)

    assert isinstance(push.data, bytes)
    assert push.message_id.encode() or not event_id
    assert all(isinstance(part, str) for pair in push.attributes.items() for part in pair)
    assert push.published_at is None or push.published_at.tzinfo is not None


@some
@given(documents(json.loads(encode(GOOD[BatchChunk])), json.loads(encode(GOOD[PlanScheduled]))))
def test_a_chunk_and_a_schedule_are_done_or_dropped_and_never_come_again(data: bytes) -> None:
    world = batch_world.World()

    take_chunk(data, desk=world.desk)
    accept_plan(data, published_at=world.clock.now(), desk=world.desk)


@some
@given(documents(json.loads(encode(GOOD[RenderRequested]))))
def test_a_dead_message_is_buried_whatever_it_is(data: bytes) -> None:
    world = notify_world.World()

    bury_request(data, repairer=world.repairer)

    assert not world.store._documents


# --- CloudEvents of the bucket ---


NAMES = st.one_of(
    values,
    st.sampled_from(NASTY),
    broken(video_path(RENDER.render_key).encode()).map(lambda name: name.decode("utf-8", "replace")),
)


@some
@given(st.sampled_from([notify_world.BUCKET, "other", None, 7, ["videos"]]), NAMES)
def test_an_event_about_any_other_object_changes_nothing(bucket: Any, name: Any) -> None:
    world = notify_world.World()
    world.wish("job-0001")
    before = dict(world.store._documents)

    object_finalized(bucket, name, ours=notify_world.BUCKET, repairer=world.repairer)

    assert world.store._documents == before


@some
@given(documents(json.loads(a_commit(RENDER.render_key).model_dump_json())), values)
def test_a_commit_that_no_worker_wrote_is_told_as_such(result: bytes, more: Any) -> None:
    artifacts = InMemoryArtifactStore()
    metadata = {"result": result.decode("utf-8", "replace"), "more": str(more)}
    artifacts.create(video_path(RENDER.render_key), b"x", content_type="video/mp4", metadata=metadata)
    try:
        found = find_commit(RENDER.render_key, artifacts=artifacts)
    except Permanent:
        return
    assert found
    assert isinstance(found[0], Commit)
    assert found[0].render_key == RENDER.render_key


# --- wishes and batches ---


@some
@given(documents(WISH))
def test_a_wish_is_read_or_refused_with_every_fault(body: bytes) -> None:
    try:
        request = parse_request(body, offer=AN_OFFER)
    except Rejected as exc:
        assert exc.code in {ErrorCode.MALFORMED_REQUEST, ErrorCode.INVALID_REQUEST}
        assert exc.faults or exc.code is ErrorCode.MALFORMED_REQUEST
        assert all(isinstance(fault.message, str) and len(fault.message) < 2000 for fault in exc.faults)
    else:
        assert request.perspective == "curious-cat" or request.perspective in load("perspectives", Perspective)


@some
@given(documents(BATCH, MANIFEST, {"plan": "fresh-takes"}))
def test_a_batch_is_accepted_or_refused_and_reads_no_bucket_that_is_not_allowed(body: bytes) -> None:
    world = batch_world.World()
    try:
        batch = accept_batch(
            body, caller=batch_world.ADA, idempotency_key="k", traceparent=TRACEPARENT, desk=world.desk
        )
    except Rejected as exc:
        assert exc.code in {ErrorCode.MALFORMED_REQUEST, ErrorCode.INVALID_REQUEST}
    else:
        assert batch.manifest.bucket in {batch_world.BUCKET, "videos", "ours"} or batch.source != "manifest"


@some
@given(
    st.lists(
        st.one_of(documents(WISH), st.sampled_from([b"", b" ", b"\xef\xbb\xbf", b"\r", b"x" * (MAX_LINE_BYTES + 5)])),
        max_size=6,
    )
)
def test_a_manifest_is_read_to_its_end_row_by_row(lines: list[bytes]) -> None:
    manifests, content = InMemoryManifestStore(), b"\n".join(lines)
    manifest: Manifest = manifests.write("rows", content)

    rows = list(read_rows(manifest, cursor=Cursor(row=0, offset=0), manifests=manifests))

    offsets = [row.cursor.offset for row in rows]
    assert offsets == sorted(offsets)
    assert all(row.cursor.offset <= len(content) for row in rows)
    for at, row in enumerate(rows):
        assert len(row.data) <= MAX_LINE_BYTES + 1
        rest = list(read_rows(manifest, cursor=row.cursor, manifests=manifests))
        assert [each.data for each in rest] == [each.data for each in rows[at + 1 :]], "whoever goes on finds the rest"
        try:
            parse_row(row.data, priority=Priority.BULK, offer=AN_OFFER, admission=ADMISSION)
        except Rejected as exc:
            assert exc.detail


# --- catalogues ---


KINDS = {"perspectives": Perspective, "themes": Theme}
ENTRIES = [(kind, path) for kind in KINDS for path in sorted((HERE / kind).glob("*.toml"))[:4]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catalogue")


@some
@given(st.sampled_from(ENTRIES).flatmap(lambda each: st.tuples(st.just(each[0]), broken(each[1].read_bytes()))))
def test_a_broken_file_of_the_catalogue_is_told_by_its_name(folder: Path, entry: tuple[str, bytes]) -> None:
    kind, content = entry
    (folder / "an-entry.toml").write_bytes(content)
    schema: Any = KINDS[kind]
    try:
        entries = load(kind, schema, folder=folder)
    except BrokenCatalogueError as exc:
        assert "an-entry.toml" in str(exc)
    else:
        assert tomllib.loads(content.decode())
        assert list(entries) == ["an-entry"]


# --- what callers show ---


HEADERS = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=300)
TOKENS = st.one_of(
    HEADERS,
    HEADERS.map("Bearer {}".format),
    st.lists(st.binary(max_size=60), min_size=2, max_size=4).map(
        lambda parts: "Bearer " + ".".join(base64.urlsafe_b64encode(part).decode() for part in parts)
    ),
    almost({"sub": "ada", "uid": "ada", "aud": "life-as-not-me", "exp": 4_000_000_000}).map(
        lambda claims: f"Bearer e30.{base64.urlsafe_b64encode(as_bytes(claims)).decode()}."
    ),
)
HTTP = HttpWorld()


@some
@given(TOKENS)
def test_a_token_opens_nothing_or_its_own(token: str) -> None:
    answer = HTTP.get("/jobs/0123456789abcdef", Authorization=token)

    assert answer.status in {401, 404}
    assert HTTP.get("/queue", Authorization=token).status == (200 if token == f"Bearer {TOKEN}" else 404)


#: A shorter one may stand in any answer by chance.
LONG_KEY: Final = 9


def texts_in(value: Any) -> Iterator[str]:
    """Every text of an answer, but no name of a field."""
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(each)


@cache
def told_to_another() -> set[str]:
    """What stands in the answer to the same wish with another key."""
    return set(texts_in(HttpWorld().post(Idempotency_Key="another key").body))


@some
@given(HEADERS)
def test_an_idempotency_key_is_used_or_refused_and_never_stored_as_it_is(key: str) -> None:
    world = HttpWorld()

    answer = world.post(Idempotency_Key=key)

    assert answer.status in {202, 422} or answer.status in {401, 429}
    if answer.status == 202:
        assert re.fullmatch("[0-9a-f]{32}", answer.body["job_id"])
        told = set(texts_in(answer.body)) - told_to_another()
        assert [each for each in told if len(key) >= LONG_KEY and key in each] == []


@some
@given(st.one_of(texts, broken(TRACEPARENT.encode()).map(lambda text: text.decode("latin-1"))))
def test_a_traceparent_is_taken_or_made_anew(text: str) -> None:
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", traceparent_or_new(text))
