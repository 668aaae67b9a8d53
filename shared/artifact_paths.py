"""Where artifacts lie in the bucket. Nothing a caller types ever becomes part of a name.

renders/{render_key}/video.mp4                     the commit: created once, never overwritten
renders/{render_key}/attempts/{attempt}/...        what an attempt uploads before its commit
"""

from __future__ import annotations

import re

_VIDEO = re.compile(r"renders/(?P<render_key>[0-9a-f]{40})/video\.mp4")


def render_folder(render_key: str) -> str:
    """All that belongs to a render."""
    return f"renders/{render_key}/"


def video_path(render_key: str) -> str:
    """The object whose creation completes the render."""
    return f"renders/{render_key}/video.mp4"


def preview_path(render_key: str, attempt: str) -> str:
    """A rough picture from the middle of the work."""
    return f"renders/{render_key}/attempts/{attempt}/preview.jpg"


def poster_path(render_key: str, attempt: str) -> str:
    """A still of the video."""
    return f"renders/{render_key}/attempts/{attempt}/poster.jpg"


def human_view_path(render_key: str, attempt: str) -> str:
    """The same clip as a person would see it."""
    return f"renders/{render_key}/attempts/{attempt}/human-view.mp4"


def receipt_path(render_key: str, attempt: str) -> str:
    """All that is needed to make the video again."""
    return f"renders/{render_key}/attempts/{attempt}/receipt.json"


def render_key_of(name: str) -> str | None:
    """The render whose commit this object is; None for every other object."""
    match = _VIDEO.fullmatch(name)
    return match["render_key"] if match else None
