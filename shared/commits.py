"""The commit: what the metadata of ``renders/{render_key}/video.mp4`` says.

It carries the result, so no other write has to follow. Enters: what an attempt made. Leaves: the object's metadata, and
the same thing read back from an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from shared.artifact_paths import preview_path, video_path
from shared.documents import RENDER_KEY_PATTERN, Document, Usage, Video
from shared.errors import Permanent

if TYPE_CHECKING:
    from shared.artifact_store import Artifact, ArtifactStore

_RESULT = "result"


class Commit(Document):
    """What an attempt made."""

    render_key: Annotated[str, Field(pattern=RENDER_KEY_PATTERN)]
    attempt: str
    """Name of the attempt that made it."""
    poster_path: str
    human_view_path: str | None = None
    """See `Video.human_view_path`."""
    receipt_path: str
    width: int
    height: int
    frames: int
    fps: int
    duration_s: float
    usage: Usage

    def metadata(self) -> dict[str, str]:
        """For the object. Cloud Storage takes 8 KiB."""
        return {"render_key": self.render_key, "attempt": self.attempt, _RESULT: self.model_dump_json()}

    @property
    def companions(self) -> list[str]:
        """Names of the objects that were uploaded before it, under the attempt's own prefix; a preview perhaps."""
        preview = preview_path(self.render_key, self.attempt)
        return [name for name in (preview, self.poster_path, self.human_view_path, self.receipt_path) if name]

    def video(self, artifact: Artifact) -> Video:
        """The video, once its object exists."""
        return Video(
            path=artifact.name,
            poster_path=self.poster_path,
            human_view_path=self.human_view_path,
            receipt_path=self.receipt_path,
            generation=artifact.generation,
            width=self.width,
            height=self.height,
            frames=self.frames,
            fps=self.fps,
            duration_s=self.duration_s,
            size_bytes=artifact.size_bytes,
        )


def find_commit(render_key: str, *, artifacts: ArtifactStore) -> tuple[Commit, Video] | None:
    """Look for the object: the truth about a render, whatever its document says.

    Raises:
        Retryable: the store does not answer.
        Permanent: an object lies there that no worker made.
    """
    artifact = artifacts.get(video_path(render_key))
    if artifact is None:
        return None
    try:
        commit = Commit.model_validate_json(artifact.metadata.get(_RESULT, ""))
    except ValidationError as exc:
        raise Permanent(f"{artifact.name} has no readable result in its metadata: no worker made it") from exc
    if commit.render_key != render_key:
        raise Permanent(f"{artifact.name} holds the result of another render: no worker made it")
    return commit, commit.video(artifact)
