"""Where artifacts lie, and which of them is the commit."""

import pytest

from shared.artifact_paths import human_view_path, poster_path, receipt_path, render_key_of, video_path
from shared.requests import render_key
from shared.testing import a_spec

KEY = "ab" * 20


def test_these_are_the_names() -> None:
    assert video_path(KEY) == f"renders/{KEY}/video.mp4"
    assert poster_path(KEY, "3-worker") == f"renders/{KEY}/attempts/3-worker/poster.jpg"
    assert human_view_path(KEY, "3-worker") == f"renders/{KEY}/attempts/3-worker/human-view.mp4"
    assert receipt_path(KEY, "3-worker") == f"renders/{KEY}/attempts/3-worker/receipt.json"


def test_the_commit_of_a_render_leads_back_to_it() -> None:
    key = render_key(a_spec(prompt="../../etc/passwd"))
    assert render_key_of(video_path(key)) == key


@pytest.mark.parametrize(
    "name",
    [
        poster_path(KEY, "1"),
        human_view_path(KEY, "1"),
        receipt_path(KEY, "1"),
        poster_path(KEY, "video.mp4"),
        f"renders/{KEY}/attempts/1/video.mp4",
        f"renders/{KEY}/video.mp4.part",
        f"renders/{KEY}/video.mp4\n",
        f"renders/{KEY}/videoxmp4",
        f"renders/{KEY}/",
        f"/renders/{KEY}/video.mp4",
        f"other/renders/{KEY}/video.mp4",
        f"renders/{KEY.upper()}/video.mp4",
        f"renders/{KEY[:-1]}/video.mp4",
        f"renders/{KEY}0/video.mp4",
        f"renders/{KEY}/../{KEY}/video.mp4",
        "",
    ],
)
def test_no_other_object_is_a_commit(name: str) -> None:
    assert render_key_of(name) is None


def test_two_attempts_never_write_the_same_object() -> None:
    paths = (poster_path, human_view_path, receipt_path)
    names = [path(KEY, attempt) for path in paths for attempt in ("1-a", "2-a", "1-b")]
    assert len(set(names)) == len(names)
