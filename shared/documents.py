"""What the documents in Firestore, and the messages about them, are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.errors import ErrorCode

#: No underscore in front: Firestore keeps ids such as ``__x__`` to itself.
JOB_ID_PATTERN = r"^[A-Za-z0-9-][A-Za-z0-9_-]{7,63}$"
RENDER_KEY_PATTERN = r"^[0-9a-f]{40}$"


class Document(BaseModel):
    """What jobs, renders and their parts have in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), hide_input_in_errors=True
    )


class JobError(Document):
    """Why a job ended without a video."""

    code: ErrorCode
    message: str
    """For people; names every fault of a rejected request."""


class Video(Document):
    """What was made, and where it lies in the artifact bucket."""

    path: str
    poster_path: str
    receipt_path: str
    generation: int
    """Generation of the object at ``path``: the commit."""
    width: int
    height: int
    frames: int
    fps: int
    duration_s: float
    size_bytes: int
    content_type: Literal["video/mp4"] = "video/mp4"


class Usage(Document):
    """What it took."""

    load_s: float
    """Seconds until the model was ready; 0 when it was warm."""
    render_s: float
    """Seconds of denoising and decoding: what a GPU is paid for."""
    encode_s: float
    device: str
    """Name of the device that rendered."""
