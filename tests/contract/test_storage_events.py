"""The event that the storage emulator sends of every new object, through refusals and crashes."""

import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions

from local.processes import free_port
from local.storage_events import EventSpool
from tests.contract.storage_world import CLIP, DEADLINE_S, KINDS, Receiver, serving, upload, upload_url

#: The fields of the body of an event recorded in the cloud; `test_eventarc` has the headers.
RECORDED_FIELDS = {
    *("kind", "id", "selfLink", "mediaLink", "name", "bucket", "generation", "metageneration", "contentType", "size"),
    *("timeCreated", "updated", "timeStorageClassUpdated", "storageClass", "md5Hash", "crc32c", "etag", "metadata"),
}


def test_the_event_of_a_new_generation_looks_like_one_from_the_cloud(tmp_path: Path) -> None:
    with Receiver() as receiver, serving(tmp_path, notify_url=receiver.url) as bucket:
        blob = bucket.blob("renders/1f/video.mp4")
        blob.metadata = {"render": "1f"}
        blob.upload_from_string(CLIP, "video/mp4")
        receiver.wait_for(1)
    headers, resource = receiver.events[0]
    assert headers["ce-subject"] == "objects/renders/1f/video.mp4"
    assert set(resource) == RECORDED_FIELDS
    assert {type(value) for name, value in resource.items() if name != "metadata"} == {str}
    assert resource["id"] == f"videos/renders/1f/video.mp4/{blob.generation}"
    assert resource["metadata"] == {"render": "1f"}
    assert resource["crc32c"] == blob.crc32c


def test_every_generation_has_one_event_and_nothing_else_has_one(tmp_path: Path) -> None:
    with Receiver() as receiver, serving(tmp_path, notify_url=receiver.url) as bucket:
        generations = [upload(bucket, "clip", kind.encode(), kind=kind) for kind in KINDS]
        with pytest.raises(exceptions.PreconditionFailed):
            upload(bucket, "clip", CLIP, if_generation_match=0)
        blob = bucket.get_blob("clip")
        blob.metadata = {"attempt": "2"}
        blob.patch()
        blob.delete()
        last = upload(bucket, "last", CLIP)
        receiver.wait_for(3, spool=tmp_path / "events")
    heard = [int(resource["generation"]) for _, resource in receiver.events]
    assert sorted(heard) == [*generations, last]
    assert len({headers["ce-id"] for headers, _ in receiver.events}) == 3


def test_who_hears_of_an_object_can_read_it(tmp_path: Path) -> None:
    with Receiver(
        answer=lambda resource: requests.get(resource["mediaLink"], timeout=DEADLINE_S).status_code
    ) as receiver:
        with serving(tmp_path, notify_url=receiver.url) as bucket:
            for number in range(10):
                upload(bucket, f"clip-{number}", CLIP)
            receiver.wait_for(10, spool=tmp_path / "events")
        assert sorted(receiver.names()) == [f"clip-{number}" for number in range(10)]


def test_a_refused_event_comes_again_and_holds_up_no_other(tmp_path: Path) -> None:
    refusals, other_was_taken = iter([500, 302, 404]), threading.Event()

    def answer(resource: dict[str, Any]) -> int:
        if resource["name"] != "refused":
            other_was_taken.set()
            return 204
        return next(refusals, 204 if other_was_taken.wait(DEADLINE_S) else 500)

    with (
        Receiver(answer=answer) as receiver,
        serving(tmp_path, notify_url=receiver.url) as bucket,
    ):
        upload(bucket, "refused", CLIP)
        upload(bucket, "taken", CLIP)
        receiver.wait_for(5, spool=tmp_path / "events")
    names = receiver.names()
    assert (names.count("refused"), names.count("taken")) == (4, 1)
    assert names[-1] == "refused"
    assert len({headers["ce-id"] for headers, resource in receiver.events if resource["name"] == "refused"}) == 1


def test_an_event_that_takes_long_holds_up_no_other(tmp_path: Path) -> None:
    others_were_taken = threading.Event()

    def answer(resource: dict[str, Any]) -> int:
        return 204 if resource["name"] != "slow" or others_were_taken.wait(DEADLINE_S) else 500

    with Receiver(answer=answer) as receiver, serving(tmp_path, notify_url=receiver.url) as bucket:
        upload(bucket, "slow", CLIP)
        upload(bucket, "other", CLIP)
        receiver.wait_for(1)
        others_were_taken.set()
        receiver.wait_for(2, spool=tmp_path / "events")
    assert receiver.names() == ["other", "slow"]


def test_events_wait_for_a_receiver_that_is_down(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, notify_url=f"http://127.0.0.1:{port}/") as bucket:
        upload(bucket, "clip", CLIP)
        with Receiver(port=port) as receiver:
            receiver.wait_for(1, spool=tmp_path / "events")
    assert receiver.names() == ["clip"]


def test_undelivered_events_survive_a_restart_and_the_deletion_of_their_object(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    with serving(tmp_path, notify_url=nobody) as bucket:
        generations = [upload(bucket, "clip", CLIP) for _ in range(2)]
        bucket.blob("clip").delete()
    with Receiver() as receiver, serving(tmp_path, notify_url=receiver.url):
        receiver.wait_for(2, spool=tmp_path / "events")
    assert sorted(int(resource["generation"]) for _, resource in receiver.events) == generations


def test_a_crash_after_the_commit_leaves_the_object_with_its_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise SystemError

    with Receiver() as receiver, serving(tmp_path, notify_url=receiver.url) as bucket:
        monkeypatch.setattr(EventSpool, "publish", crash)
        url = upload_url(bucket, "uploadType=media&name=clip")  # the client would try again
        assert requests.post(url, data=CLIP, timeout=DEADLINE_S).status_code == 500
        monkeypatch.undo()
        assert receiver.events == []
    with Receiver() as receiver, serving(tmp_path, notify_url=receiver.url) as bucket:
        receiver.wait_for(1)
        assert bucket.blob("clip").download_as_bytes() == CLIP
    assert receiver.names() == ["clip"]


def test_a_crash_before_the_commit_leaves_neither_object_nor_event(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    resource = {"id": "videos/clip/1", "bucket": "videos", "name": "clip", "generation": "1"}
    EventSpool(tmp_path / "events", lambda _: None).prepare(resource)
    (tmp_path / "buckets" / "videos" / f"object-{'0' * 64}.1").write_bytes(CLIP)
    with Receiver() as receiver, serving(tmp_path, notify_url=receiver.url) as bucket:
        assert list((tmp_path / "events").iterdir()) == []
        assert list((tmp_path / "buckets" / "videos").glob("object-*")) == []
        assert list(bucket.list_blobs()) == []
    assert receiver.events == []
