"""The gallery: films that are ready and belong to nobody. HTTP in, a document out.

A film is public when no words of anybody's are in it: the scope of its render says so, and the store is asked for no
other. What the page shows is read once a minute, posters' links included, however many look at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.documents import RENDER_KEY_PATTERN, Render, State
from shared.errors import ErrorCode, Rejected
from shared.kept import Kept
from shared.models import models
from shared.requests import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.artifact_store import ArtifactStore, SignedUrl
    from shared.job_store import JobStore

#: Films that are shown.
MOST: Final = 24
KEPT_S: Final = 60.0
#: What a film has links to, and how each file's name ends.
FILM_ARTIFACTS: Final = {"video": ".mp4", "poster": ".jpg", "human-view": "-human-view.mp4"}


@dataclass(kw_only=True)
class Gallery:
    """Thread-safe, by `Kept`."""

    store: JobStore
    artifacts: ArtifactStore
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    link_lifetime_s: int
    _kept: Kept[list[dict[str, Any]]] = field(init=False)

    def __post_init__(self) -> None:
        """Links must live longer than they are kept."""
        self._kept = Kept(min(KEPT_S, self.link_lifetime_s / 2), monotonic=self.monotonic)

    def films(self) -> list[dict[str, Any]]:
        """``GET /gallery``: the newest first, each with a link to its poster and the wish that gets it at once.

        Raises:
            Retryable, StoreNotReadyError: they can't be read.
        """
        return self._kept.answer("films", self._found)

    def link(self, render_key: str, artifact: str) -> SignedUrl:
        """``GET /gallery/{key}/video`` and its like: a short-lived link.

        Raises:
            Rejected: there is no such film, it is somebody's, or it is not kept any more.
        """
        found = self.store.render(render_key) if re.fullmatch(RENDER_KEY_PATTERN, render_key) else None
        path = _places(found.value).get(artifact) if found and self._is_shown(found.value) else None
        if not found or path is None or self.artifacts.get(path) is None:
            raise Rejected("There is no such film.", code=ErrorCode.NOT_FOUND)
        return self._sign(found.value, artifact, path)

    def _found(self) -> list[dict[str, Any]]:
        return [film for each in self.store.public_films(limit=MOST) if (film := self._film(each.value))]

    def _film(self, render: Render) -> dict[str, Any] | None:
        spec, video, places = render.spec, render.video, _places(render)
        seconds = _seconds(render)
        if not self._is_shown(render) or video is None or seconds is None:
            return None
        poster = self._sign(render, "poster", places["poster"])
        return {
            "render_key": render.render_key,
            "perspective": spec.perspective,
            "wish": {
                "perspective": spec.perspective,
                "theme": spec.theme,
                "seed": spec.seed,
                "model": spec.model,
                "size": f"{spec.width}x{spec.height}",
                "seconds": seconds,
            },
            "made_at": render.finished_at.isoformat() if render.finished_at else None,
            "video": video.model_dump(include={"width", "height", "frames", "fps", "duration_s", "size_bytes"}),
            "poster": {"url": poster.url, "expires_at": poster.expires_at.isoformat()},
            "links": {each: f"/gallery/{render.render_key}/{each}" for each in places},
        }

    def _is_shown(self, render: Render) -> bool:
        return (render.state, render.spec.scope) == (State.COMPLETED, PUBLIC) and render.expires_at > self.now()

    def _sign(self, render: Render, artifact: str, path: str) -> SignedUrl:
        filename = f"{render.spec.perspective}-{render.render_key[:8]}{FILM_ARTIFACTS[artifact]}"
        return self.artifacts.signed_url(path, lifetime_s=self.link_lifetime_s, filename=filename)


def _places(render: Render) -> dict[str, str]:
    """Where the film's files lie."""
    if render.video is None:
        return {}
    video = render.video
    return {"video": video.path, "poster": video.poster_path, "human-view": video.human_view_path or video.path}


def _seconds(render: Render) -> float | None:
    """What one asks for to get a clip of that length; None where nobody can any more."""
    model = models().get(render.spec.model)
    lengths = model.lengths if model else ()
    return next((each.seconds for each in lengths if each.frames == render.spec.frames), None)
