"""Buckets that are mounted as folders: how they are known, and that all of the weights is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpu_job import mounts
from gpu_job.mounts import is_mounted_bucket, read_ahead

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders, of which one is a bucket."""
    for name in ("disk", "my bucket", "my bucket/model", "my bucket/disk"):
        (tmp_path / name).mkdir()
    place = str(tmp_path).replace(" ", "\\040")
    table = tmp_path / "mounts"
    table.write_text(
        "overlay / overlay rw,relatime 0 0\n"
        f"models {place}/my\\040bucket fuse.gcsfuse ro,nosuid,nodev,relatime 0 0\n"
        f"tmpfs {place}/my\\040bucket/disk tmpfs rw 0 0\n"
    )
    monkeypatch.setattr(mounts, "MOUNTS", table)
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "is_bucket"),
    [("my bucket", True), ("my bucket/model", True), ("my bucket/disk", False), ("disk", False), (".", False)],
)
def test_a_folder_in_a_mounted_bucket_is_known_by_the_table_of_mounts(
    mounted: Path, folder: str, *, is_bucket: bool
) -> None:
    assert is_mounted_bucket(mounted / folder) == is_bucket


def test_where_there_is_no_table_of_mounts_nothing_is_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "nothing")
    assert not is_mounted_bucket(tmp_path)


def test_all_weights_are_read_once_in_pieces_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(mounts, "PIECE_BYTES", 1000)
    monkeypatch.setattr(mounts, "READ_BYTES", 100)
    pieces: list[tuple[str, int]] = []
    read = mounts._read

    def read_and_note(piece: tuple[Path, int]) -> None:
        pieces.append((piece[0].name, piece[1]))
        read(piece)

    monkeypatch.setattr(mounts, "_read", read_and_note)
    (tmp_path / "vae").mkdir()
    (tmp_path / "one.safetensors").write_bytes(bytes(2500))
    (tmp_path / "vae" / "two.bin").write_bytes(bytes(1000))
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "readme.md").write_bytes(bytes(5000))

    read_ahead(tmp_path)

    assert sorted(pieces) == [
        ("one.safetensors", 0),
        ("one.safetensors", 1000),
        ("one.safetensors", 2000),
        ("two.bin", 0),
    ]
    [line] = [vars(each) for each in caplog.records]
    assert (line["action"], line["size_bytes"]) == ("read_ahead", 3500)


def test_weights_that_can_not_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(107, "Transport endpoint is not connected")

    (tmp_path / "one.safetensors").write_bytes(b"1")
    monkeypatch.setattr(mounts, "_read", fail)
    with pytest.raises(OSError, match="not connected"):
        read_ahead(tmp_path)
