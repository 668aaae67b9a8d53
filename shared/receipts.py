"""The receipt of a video: all that is needed to make it again, and that it was made by a machine."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from shared.documents import RENDER_KEY_PATTERN, Cost, Document, Usage
from shared.requests import RenderSpec

#: IPTC's term for media made by a trained model.
DIGITAL_SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
#: In a video's C2PA manifest: which receipt belongs to it, by its hash.
RECEIPT_ASSERTION: Final = "org.lifeasnotme.receipt"


class Receipt(Document):
    """Goes into the bucket beside the video."""

    schema_version: Literal[1] = 1
    made_by: Literal["AI"] = "AI"
    digital_source_type: Literal["http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"] = (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )
    """IPTC's term for media made by a trained model."""
    render_key: Annotated[str, Field(pattern=RENDER_KEY_PATTERN)]
    attempt: str
    spec: RenderSpec
    optics_version: int = 0
    """Version of the optics pass that drew: the spec's, or a later one; 0: there was none."""
    usage: Usage
    cost: Cost | None = None
    """What it has cost, whoever waited for it; null: an earlier worker made it."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds by stage, finer than ``usage``; a stage may be part of another, and several go on at a time."""
    peak_memory_bytes: int | None = None
    """The most that was in use at a time: of the GPU, or of the worker since its start where the CPU rendered."""
    acceleration: dict[str, str] = Field(default_factory=dict)
    """Which levers of its recipe the model ran with, and why not with the others; empty: it has none."""
    software: dict[str, str]
    """Version of each package that decides pixels."""
    started_at: AwareDatetime
    finished_at: AwareDatetime
