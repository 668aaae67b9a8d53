"""Paths, addresses and objects that a caller would like us to touch: refused at each door, before anything is asked."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from accept_batch import accept_batch
from notifier import object_finalized

from shared.artifact_paths import render_key_of, video_path
from shared.errors import ErrorCode, Rejected
from shared.messages import JobRequested, RenderRequested, decode
from shared.testing import TRACEPARENT
from tests.unit import batch_world, intake_world, notify_world
from tests.unit.http_world import WISH, World, is_problem

#: What a path or an address could be made to mean.
PLACES = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "....//....//etc",
    "renders/../secrets",
    "job-0001/../job-0002",
    "a\x00b-longer",
    "jobs%2F0123456789",
    "C:\\windows\\win.ini",
]
#: Where a server could be sent to: its own metadata, its own files, other machines.
ADDRESSES = [
    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
    "http://metadata.google.internal/",
    "https://example.com/rows.jsonl",
    "file:///etc/passwd",
    "ftp://example.com/rows",
    "gs:/wishes/rows.jsonl",
    "GS://wishes/rows.jsonl",
    "gs://wishes@other/rows.jsonl",
    "gs://wishes/../other/rows.jsonl\n",
    "gs://wishes%2f..%2fother/rows.jsonl",
    "gs://wishes\\other/rows.jsonl",
    "gs://wishes?x=/rows.jsonl",
    "gs://other/rows.jsonl",
    "gs:///rows.jsonl",
    " gs://wishes/rows.jsonl",
    "gs://WISHES/rows.jsonl",
    "gs://wishes.example.com/rows.jsonl",
    "gs://wishes/.",
    "gs://wishes/..",
    "gs://wishes/rows\x00.jsonl",
    "gs://wishes/rows\x7f.jsonl",
    "gs://wishes/" + "x" * 1025,
    "gs://wishes/" + "ä" * 600,
]


@pytest.mark.parametrize("uri", ADDRESSES)
def test_a_manifest_from_anywhere_but_an_allowed_bucket_is_refused_and_nobody_is_asked_for_it(uri: str) -> None:
    world = batch_world.World()

    class NobodyIsAsked(batch_world.CountingManifestStore):
        def find(self, bucket: str, name: str) -> Any:
            raise AssertionError(f"asked for {bucket}/{name}")

    desk = world.desk
    object.__setattr__(desk, "manifests", NobodyIsAsked())

    with pytest.raises(Rejected) as caught:
        accept_batch(
            json.dumps({"manifest": uri}).encode(),
            caller=batch_world.ADA,
            idempotency_key=None,
            traceparent=TRACEPARENT,
            desk=desk,
        )

    assert {fault.code for fault in caught.value.faults} <= {"bad_uri", "bucket_not_allowed"}
    assert caught.value.faults


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("call", ["/jobs/{}", "/jobs/{}/video", "/batches/{}"])
def test_an_id_that_is_a_path_finds_nothing_and_reads_no_document(place: str, call: str) -> None:
    world = World()
    world.store.failure = AssertionError("a document was read")

    answer = world.get(call.format(quote(place, safe="")))

    assert is_problem(answer, ErrorCode.NOT_FOUND)
    assert world.artifacts.signed == []


@pytest.mark.parametrize("place", PLACES)
def test_what_belongs_to_a_job_is_one_of_a_few_names(place: str) -> None:
    world = World()
    job = world.post().body
    world.claim(job["render_key"])
    world.finish(job["render_key"])

    answer = world.get(f"/jobs/{job['job_id']}/{quote(place, safe='')}")

    assert is_problem(answer, ErrorCode.NOT_FOUND)
    assert world.artifacts.signed == []


@pytest.mark.parametrize("place", [*filter(str.isprintable, PLACES), "<script>", "$(id)", "'; --"])
def test_an_idempotency_key_is_hashed_and_stands_in_no_id_no_path_and_no_answer(place: str) -> None:
    world = World()

    answer = world.post(Idempotency_Key=place)

    assert (answer.status, set(answer.body["job_id"]) <= set("0123456789abcdef")) == (202, True)
    assert place not in answer.data.decode()
    assert place not in str(world.store._documents)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "a\x7fb", "a\tb", "ä"])
def test_an_idempotency_key_that_is_no_printable_ascii_is_refused(key: str) -> None:
    world = World()

    assert is_problem(world.post(Idempotency_Key=key), ErrorCode.INVALID_REQUEST)
    assert not world.has_written_anything


@pytest.mark.parametrize("place", [*PLACES, "", "short", "x" * 65, "with space", "a/b-longer", "_underscore"])
def test_a_message_can_not_name_a_job_by_a_path(place: str) -> None:
    with pytest.raises(Rejected):
        decode(JobRequested, json.dumps({"job_id": place, "request": WISH}).encode())

    world = intake_world.World()
    world.deliver({"job_id": place, "request": WISH}, source="art-school")
    [job] = world.jobs
    assert job.job_id != place
    assert job.error
    assert job.error.code is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize("place", PLACES)
def test_a_source_that_is_a_path_is_nobody(place: str) -> None:
    world = intake_world.World()

    world.deliver({"request": WISH}, source=place)

    assert [job.owner for job in world.jobs] == ["system:unknown"]


@pytest.mark.parametrize("place", [*PLACES, "a" * 39, "A" * 40, "a" * 41, "a" * 40 + "\n"])
def test_a_render_key_is_forty_digits_and_no_path(place: str) -> None:
    with pytest.raises(Rejected):
        decode(RenderRequested, json.dumps({"render_key": place}).encode())


KEY = "0123456789" * 4


@pytest.mark.parametrize(
    "name",
    [
        *PLACES,
        f"renders/{KEY}/video.mp4/",
        f"renders/{KEY}/video.mp4\n",
        f"/renders/{KEY}/video.mp4",
        f"renders/../renders/{KEY}/video.mp4",
        f"renders/{KEY}/attempts/1/video.mp4",
        f"renders/{KEY.replace('0', 'A')}/video.mp4",
        f"renders//{KEY}/video.mp4",
    ],
)
def test_an_object_with_any_other_name_is_no_commit(name: str) -> None:
    assert render_key_of(name) is None


@pytest.mark.parametrize("bucket", ["", "other", "videos/", "videos/../other", None, 7, ["videos"], {"videos": 1}])
def test_an_event_about_another_bucket_changes_nothing(bucket: object) -> None:
    world = notify_world.World()
    world.wish("job-0001")
    before = dict(world.store._documents)

    object_finalized(bucket, video_path(world.key), ours=notify_world.BUCKET, repairer=world.repairer)

    assert world.store._documents == before


@pytest.mark.parametrize("name", [None, 7, ["renders"], {"name": 1}, True])
def test_an_event_without_a_name_changes_nothing(name: object) -> None:
    world = notify_world.World()
    world.wish("job-0001")
    before = dict(world.store._documents)

    object_finalized(notify_world.BUCKET, name, ours=notify_world.BUCKET, repairer=world.repairer)

    assert world.store._documents == before


PROMPT = "../../etc/passwd; $(id) <script>alert(1)</script>"


def test_a_prompt_is_data_and_stands_in_no_path_and_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world = World()
    job = world.post({**WISH, "prompt": PROMPT}).body
    world.claim(job["render_key"])
    world.finish(job["render_key"])

    paths = [*job["links"].values(), *world.artifacts._objects]

    assert job["request"]["prompt"] == PROMPT
    assert not [path for path in paths if "passwd" in path or "script" in path]
    assert "passwd" not in "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
