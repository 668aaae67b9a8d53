"""The commit: an object's metadata says all there is to know about a render."""

import pytest

from shared.artifact_paths import preview_path, video_path
from shared.artifact_store import Artifact
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.commits import Commit, find_commit
from shared.documents import Usage, Video
from shared.errors import Permanent, Retryable
from shared.testing import a_commit, put_video

KEY = "ab" * 20


class SilentArtifactStore(InMemoryArtifactStore):
    """Does not answer."""

    def get(self, name: str) -> Artifact | None:
        raise Retryable(f"no answer for {name}")


def test_a_commit_is_read_back_from_the_metadata_of_its_object() -> None:
    artifacts = InMemoryArtifactStore()
    put_video(artifacts, KEY, attempt="2-worker-b")
    found = find_commit(KEY, artifacts=artifacts)
    assert found
    assert found[0] == a_commit(KEY, attempt="2-worker-b")


def test_the_video_is_described_by_its_commit_and_its_object() -> None:
    artifacts = InMemoryArtifactStore()
    artifact = put_video(artifacts, KEY)
    found = find_commit(KEY, artifacts=artifacts)
    assert found
    commit, video = found
    assert video == Video(
        path=f"renders/{KEY}/video.mp4",
        poster_path=commit.poster_path,
        human_view_path=f"renders/{KEY}/attempts/1-worker-a/human-view.mp4",
        receipt_path=commit.receipt_path,
        generation=artifact.generation,
        width=256,
        height=256,
        frames=33,
        fps=16,
        duration_s=2.0625,
        size_bytes=len(b"not really a video"),
        content_type="video/mp4",
    )


def test_a_commit_from_before_there_was_a_human_view_is_read_and_its_video_is_that_view() -> None:
    written = a_commit(KEY).model_dump_json(exclude={"human_view_path": True, "usage": {"see_s"}})
    artifacts = InMemoryArtifactStore()
    artifacts.create(video_path(KEY), b"mp4", content_type="video/mp4", metadata={"result": written})
    found = find_commit(KEY, artifacts=artifacts)
    assert found
    commit, video = found
    assert (commit.human_view_path, video.human_view_path, commit.usage.see_s) == (None, None, 0)
    assert commit.companions == [preview_path(KEY, commit.attempt), commit.poster_path, commit.receipt_path]
    assert Video.model_validate(video.model_dump(exclude={"human_view_path"})) == video


def test_where_no_object_is_there_is_no_commit() -> None:
    assert find_commit(KEY, artifacts=InMemoryArtifactStore()) is None


def test_the_first_upload_stays_the_commit_whoever_comes_second() -> None:
    artifacts = InMemoryArtifactStore()
    put_video(artifacts, KEY, attempt="1-first")
    with pytest.raises(Retryable):
        put_video(artifacts, KEY, attempt="2-second")
    found = find_commit(KEY, artifacts=artifacts)
    assert found
    assert found[0].attempt == "1-first"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"result": ""},
        {"result": "{"},
        {"result": "{}"},
        {"result": "[]"},
        {"result": a_commit(KEY).model_dump_json().replace('"fps":16', '"fps":"fast"')},
        {"result": a_commit(KEY).model_dump_json().replace('"fps":16', '"fps":16,"colour":1')},
        {"result": a_commit("cd" * 20).model_dump_json()},
    ],
    ids=["none", "empty", "cut off", "fields missing", "array", "bad field", "unknown field", "another render's"],
)
def test_an_object_that_no_worker_made_is_never_a_video(metadata: dict[str, str]) -> None:
    artifacts = InMemoryArtifactStore()
    artifacts.create(video_path(KEY), b"x", content_type="video/mp4", metadata=metadata)
    with pytest.raises(Permanent, match=f"renders/{KEY}/video.mp4 .*: no worker made it"):
        find_commit(KEY, artifacts=artifacts)


def test_a_store_that_does_not_answer_is_asked_again_later() -> None:
    with pytest.raises(Retryable, match="no answer"):
        find_commit(KEY, artifacts=SilentArtifactStore())


def test_the_metadata_names_render_and_attempt_for_who_browses_the_bucket() -> None:
    metadata = a_commit(KEY, attempt="3-worker").metadata()
    assert (metadata["render_key"], metadata["attempt"]) == (KEY, "3-worker")
    assert Commit.model_validate_json(metadata["result"]) == a_commit(KEY, attempt="3-worker")


def test_the_metadata_fits_into_an_object_even_with_the_longest_names() -> None:
    names = dict.fromkeys(("attempt", "poster_path", "human_view_path", "receipt_path"), "x" * 1024)
    usage = Usage(load_s=1 / 3, render_s=1 / 3, encode_s=1 / 3, device="x" * 200)
    metadata = a_commit(KEY).model_copy(update={**names, "duration_s": 1 / 3, "usage": usage}).metadata()
    assert sum(len(key) + len(value) for key, value in metadata.items()) < 8 * 1024
