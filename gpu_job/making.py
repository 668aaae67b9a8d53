"""Making: from a render spec to the commit. Runs in the second thread; writes to the bucket and nowhere else."""

from __future__ import annotations

import hashlib
import logging
import platform
import threading
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from gpu_job.pictures import poster
from gpu_job.preview import preview
from gpu_job.provenance import Origin, sign_picture, sign_video
from gpu_job.relay import side_by_side
from gpu_job.renderer import StartOverError
from gpu_job.stage_spans import StageSpans
from gpu_job.tail import Target, eight_bits, eye_of, film
from shared.artifact_paths import human_view_path, poster_path, preview_path, receipt_path, video_path
from shared.artifact_store import ArtifactExists
from shared.commits import Commit
from shared.documents import Stage, Usage
from shared.errors import ErrorCode, LifeAsNotMeError, Permanent, Retryable
from shared.measures import SpanName
from shared.optics import OPTICS_VERSION
from shared.prices import cost_of
from shared.receipts import DIGITAL_SOURCE_TYPE, Receipt
from shared.safety import SHOWS
from shared.tracing import note, past_span, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gpu_job.provenance import Identity
    from gpu_job.renderer import Renderer, Watch
    from gpu_job.tail import Film
    from shared.artifact_store import ArtifactStore
    from shared.documents import Render
    from shared.requests import RenderSpec
    from shared.safety import OutputCheck

log = logging.getLogger(__name__)

_SOFTWARE: Final = ("torch", "diffusers", "transformers", "av", "numpy")


def make_video(
    render: Render,
    *,
    attempt: str,
    renderer: Renderer,
    artifacts: ArtifactStore,
    folder: Path,
    device: str | None,
    watch: Watch,
    now: Callable[[], datetime],
    output_check: OutputCheck,
    identity: Identity | None = None,
) -> Usage:
    """Render, see, encode, sign, upload what belongs to the video, and commit by uploading the video itself.

    The video is what the creature sees. Where its eye changes the frames, they are encoded as drawn, too: the human
    view. Half-way through, a preview goes up, where the model has a sketch. The first upload wins: where another
    attempt committed before, its video is the render's, and that is success too.

    Nothing of what the output check refuses is uploaded, and no preview of it.

    Returns:
        What it took; also where another attempt's video was first.

    Raises:
        RenderStopped, Retryable, Permanent: as the renderer, the encoder, the signing and the bucket raise them.
        Permanent: ``output_refused``.
    """
    spec, key = render.spec, render.render_key
    started_at = now()
    if spec.optics_version > OPTICS_VERSION:
        raise Retryable("This worker is older than the eye that was wished for; another may know it.")
    has_eye = eye_of(spec) is not None
    video, human_view = _targets(spec, key, folder=folder)
    watch = stages = StageSpans(watch)

    def sketched(frame: NDArray[np.float32]) -> None:
        name = preview_path(key, attempt)
        origin = Origin(title=f"{_title(spec)}, a preview", render_key=key, attempt=attempt)
        _preview(
            frame, spec, origin, name, identity=identity, artifacts=artifacts, watch=watch, output_check=output_check
        )

    def filmed(device: str | None) -> Film:
        return film(
            spec,
            renderer=renderer,
            video=video,
            human_view=human_view,
            device=device,
            watch=watch,
            sketched=sketched,
        )

    try:
        # 1. Draw, see and encode: all at the same time, a chunk of frames each.
        begun, made = time.monotonic(), None
        try:
            made = filmed(device)
        except StartOverError:
            log.warning("render starts over", extra={"action": "render", "attempt": attempt}, exc_info=True)
        lost_s = time.monotonic() - begun if made is None else 0.0
        if made is None:  # not above, where the error still holds what lay in memory
            made = filmed("cpu")  # the eye; so all the memory of a GPU is the renderer's
        _check(made.samples, output_check, attempt=attempt)
        usage = _usage(made, renderer, lost_s=lost_s)
        note(gpu=usage.device)
        _tell_of_the_tail(made, denoised_ns=stages.rendered_ns)
        encoded, account = made.video, renderer.account
        seconds = {**account.seconds, **made.seconds}
        receipt = Receipt(
            render_key=key,
            attempt=attempt,
            spec=spec,
            optics_version=OPTICS_VERSION if has_eye else 0,
            usage=usage,
            cost=cost_of(usage),
            seconds={stage: round(each, 3) for stage, each in seconds.items()},
            peak_memory_bytes=account.peak_memory_bytes,
            acceleration=dict(account.acceleration),
            software={**software(), **account.software},
            started_at=started_at,
            finished_at=now(),
        )
        receipt_file = receipt.model_dump_json(indent=2).encode()
        poster_file = poster(encoded.middle_frame)

        # 2. Sign all that shows something. The signature holds the hash of the receipt.
        if identity is not None:
            begun, origin = time.monotonic(), _origin(receipt, receipt_file)
            with span(SpanName.SIGN):
                _sign_videos(video, human_view if has_eye else None, origin=origin, identity=identity)
                poster_file = sign_picture(poster_file, origin, identity=identity)
            usage = usage.model_copy(update={"sign_s": round(time.monotonic() - begun, 3)})
        commit = Commit(
            render_key=key,
            attempt=attempt,
            poster_path=poster_path(key, attempt),
            human_view_path=human_view_path(key, attempt) if has_eye else None,
            receipt_path=receipt_path(key, attempt),
            width=encoded.width,
            height=encoded.height,
            frames=encoded.frames,
            fps=encoded.fps,
            duration_s=encoded.duration_s,
            usage=usage,
        )

        # 3. Upload what belongs to it under the attempt's own prefix, where nothing can be in its way but itself.
        beside: list[tuple[str, bytes | Path, str]] = [
            (commit.poster_path, poster_file, "image/jpeg"),
            (commit.receipt_path, receipt_file, "application/json"),
        ]
        if commit.human_view_path:
            beside.append((commit.human_view_path, human_view.path, "video/mp4"))
        _upload(beside, artifacts=artifacts, watch=watch)

        # 4. Commit.
        with span(SpanName.COMMIT):
            _commit(encoded.path, commit, seconds=receipt.seconds, artifacts=artifacts)
    finally:
        stages.stop()
        for target in (video, human_view):
            target.path.unlink(missing_ok=True)
    return usage


def _commit(file: Path, commit: Commit, *, seconds: Mapping[str, float], artifacts: ArtifactStore) -> None:
    """Upload the video itself, unless another attempt's is there."""
    attempt = commit.attempt
    try:
        artifacts.create(video_path(commit.render_key), file, content_type="video/mp4", metadata=commit.metadata())
    except ArtifactExists:
        log.info("video was committed before", extra={"action": "commit", "attempt": attempt})
        return
    log.info(
        "video committed",
        extra={"action": "commit", "attempt": attempt, **commit.usage.model_dump(), "seconds": seconds},
    )


def _tell_of_the_tail(made: Film, *, denoised_ns: int) -> None:
    """Spans of what went on at the same time, after the last step of denoising."""
    past_span(SpanName.DECODING, begun_ns=denoised_ns, ended_ns=made.drawn_ns)
    for name, (begun_ns, ended_ns, busy_s) in made.at_work.items():
        past_span(name, begun_ns=begun_ns, ended_ns=ended_ns, busy_s=round(busy_s, 3))


def _check(frames: NDArray[np.uint8], output_check: OutputCheck, *, attempt: str) -> None:
    """Have some frames judged as they were drawn: a creature's eye may hide what the human view shows."""
    if refusal := output_check.refusal(frames):
        decision = {"category": refusal.category.value, "rule": refusal.rule, "frames": len(frames)}
        log.warning("output refused", extra={"action": "moderate", "attempt": attempt, **decision})
        raise Permanent(f"What was drawn {SHOWS[refusal.category]}, so it is not shown.", code=ErrorCode.OUTPUT_REFUSED)


def software() -> dict[str, str]:
    """Version of each package here that decides pixels."""
    found = {name: each for name in _SOFTWARE if (each := _version(name))}
    return found | {"python": platform.python_version()}


def _targets(spec: RenderSpec, key: str, *, folder: Path) -> tuple[Target, Target]:
    """Of the video, and of the human view."""
    title = _title(spec)
    said = {
        "comment": f"Made by AI. render_key={key}",
        "description": f"AI-generated: {DIGITAL_SOURCE_TYPE}",
        "keywords": "AI-generated",
    }
    return (
        Target(path=folder / f"{key}.mp4", metadata={"title": title, **said}),
        Target(path=folder / f"{key}-human-view.mp4", metadata={"title": f"{title}, as a person would see it", **said}),
    )


def _title(spec: RenderSpec) -> str:
    return f"Life As Not Me: {spec.perspective}"


def _sign_videos(*targets: Target | None, origin: Origin, identity: Identity) -> None:
    for each in filter(None, targets):
        sign_video(each.path, origin, identity=identity)


def _origin(receipt: Receipt, receipt_file: bytes) -> Origin:
    return Origin(
        title=_title(receipt.spec),
        render_key=receipt.render_key,
        attempt=receipt.attempt,
        receipt_sha256=hashlib.sha256(receipt_file).hexdigest(),
    )


def _usage(made: Film, renderer: Renderer, *, lost_s: float) -> Usage:
    """What it took; ``lost_s`` went before into a try that is void."""
    return Usage(
        load_s=round(renderer.load_s, 3),
        render_s=round(lost_s + max(0.0, made.draw_s - renderer.load_s), 3),
        see_s=round(made.see_s, 3),
        encode_s=round(made.encode_s + made.encode_human_view_s, 3),
        whole_s=round(lost_s + made.whole_s, 3),
        device=renderer.device_name,
    )


def _preview(
    frame: NDArray[np.float32],
    spec: RenderSpec,
    origin: Origin,
    name: str,
    *,
    identity: Identity | None,
    artifacts: ArtifactStore,
    watch: Watch,
    output_check: OutputCheck,
) -> None:
    """Show early what it becomes. A render needs no preview, so it goes on without one whatever happens here."""
    try:
        picture = preview(frame, spec)
        if output_check.refusal(eight_bits(frame)[None]):
            return
        if identity is not None:
            picture = sign_picture(picture, origin, identity=identity)
        with suppress(ArtifactExists):  # of a try that is void; it is as good
            artifacts.create(name, picture, content_type="image/jpeg")
        watch.previewed(name)
    except (LifeAsNotMeError, ValueError):
        log.warning("no preview", extra={"action": "preview"}, exc_info=True)


def _upload(files: list[tuple[str, bytes | Path, str]], *, artifacts: ArtifactStore, watch: Watch) -> None:
    """Upload files, ``(name, content, content type)``, side by side; one more is to come."""
    lock, done = threading.Lock(), 0
    watch.moved(Stage.UPLOADING, 0, len(files) + 1)

    def uploaded(name: str, content: bytes | Path, content_type: str) -> None:
        nonlocal done
        with suppress(ArtifactExists):
            artifacts.create(name, content, content_type=content_type)
        with lock:
            done += 1
            watch.moved(Stage.UPLOADING, done, len(files) + 1)

    side_by_side(*(partial(uploaded, *file) for file in files))


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
