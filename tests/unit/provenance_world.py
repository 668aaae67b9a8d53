"""A signed video to tamper with: made once, by a worker, over the doubles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpu_job.identities import read_identity
from gpu_job.making import make_video
from gpu_job.test_pattern import TestPatternRenderer
from local.signing_identity import authority_of, make_signing_identity
from shared.artifact_paths import poster_path, preview_path, receipt_path, video_path
from shared.safety import NoOutputCheck
from tests.unit.renderer_world import Listener
from tests.unit.worker_world import ATTEMPT, World

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a worker with an identity made, downloaded, and who vouches for it."""

    video: Path
    poster: Path
    preview: Path
    receipt: Path
    authority: Path
    render_key: str


def sign_with(world: World, setting: str | None) -> None:
    """Make the video of its render, as a worker with that setting does."""
    make_video(
        world.render,
        attempt=ATTEMPT,
        renderer=TestPatternRenderer(),
        artifacts=world.artifacts,
        folder=world.folder,
        device="cpu",
        watch=Listener(),
        now=world.clock.now,
        output_check=NoOutputCheck(),
        identity=read_identity(setting),
    )


def make_signed(folder: Path, work: Path) -> Signed:
    """A video, its poster and its receipt in a folder."""
    world = World(work)
    world.wish("job-aaaa")
    identity = make_signing_identity(folder / "identity.pem")
    sign_with(world, str(identity))
    names = {
        "video.mp4": video_path(world.key),
        "poster.jpg": poster_path(world.key, ATTEMPT),
        "preview.jpg": preview_path(world.key, ATTEMPT),
        "receipt.json": receipt_path(world.key, ATTEMPT),
    }
    for name, path in names.items():
        (folder / name).write_bytes(world.artifacts.read(path))
    return Signed(
        video=folder / "video.mp4",
        poster=folder / "poster.jpg",
        preview=folder / "preview.jpg",
        receipt=folder / "receipt.json",
        authority=authority_of(identity),
        render_key=world.key,
    )
