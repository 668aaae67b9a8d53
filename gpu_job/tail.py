"""The tail of a render: what follows denoising. Enters: a `RenderSpec`. Leaves: its video, and its human view.

Decoding, the eye, and of each video the conversion and the encoder work at the same time, each on other frames: the
whole takes little more than the slowest. A few chunks of frames are in memory at a time, whatever the length of the
clip.

           ┌──▶ convert ──▶ encode: the human view
    draw ──┤
           └──▶ see ──▶ convert ──▶ encode: the video
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gpu_job.encoder import converted, encode
from gpu_job.relay import Relay
from shared.documents import Stage
from shared.measures import SpanName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from gpu_job.encoder import Encoded, Pictures
    from gpu_job.relay import Pipe
    from gpu_job.relay import Stage as Work
    from gpu_job.renderer import Renderer, Watch
    from shared.optics import Optics
    from shared.requests import RenderSpec


T = TypeVar("T")

#: Frames that the output check gets of a clip.
MOST_SAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a video goes."""

    path: Path
    #: Tags of the file; see `gpu_job.encoder.TAGS`.
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Film:
    """What was made, and the seconds that each stage worked; they overlap, so they sum to more than `whole_s`."""

    video: Encoded
    human_view: Encoded | None
    #: Some frames as drawn, spread over the clip, for the output check: ``(N, H, W, 3) uint8``.
    samples: NDArray[np.uint8]
    #: Of the renderer: loading, denoising and decoding.
    draw_s: float
    #: Of the eye.
    see_s: float
    #: Of the video's encoder, and of converting frames for it.
    encode_s: float
    #: The same of the human view.
    encode_human_view_s: float
    #: By the clock, from the beginning to the end.
    whole_s: float
    #: When the last frame was drawn, in nanoseconds since the epoch.
    drawn_ns: int = 0
    #: Of what followed, by the name of its span: first frame and last one, in nanoseconds, and seconds of work.
    at_work: Mapping[str, tuple[int, int, float]] = field(default_factory=dict)

    @property
    def seconds(self) -> dict[str, float]:
        """Those of what follows decoding, by stage, for the receipt."""
        human = {"encode_human_view": self.encode_human_view_s} if self.human_view else {}
        return {"see": self.see_s, "encode_video": self.encode_s, **human, "whole": self.whole_s}


def eye_of(spec: RenderSpec) -> Optics | None:
    """The eye that frames pass through; None where they stay as drawn."""
    return spec.optics if spec.optics and spec.optics.figures else None


def film(
    spec: RenderSpec,
    *,
    renderer: Renderer,
    video: Target,
    human_view: Target | None,
    device: str | None,
    watch: Watch,
    sketched: Callable[[NDArray[np.float32]], None] | None = None,
) -> Film:
    """Draw, see and encode.

    Args:
        spec: what to draw.
        renderer: draws, in this thread.
        video: of what the creature sees.
        human_view: of what was drawn; it needs none where no eye changes that.
        device: of torch, for the eye; the best there is when absent.
        watch: hears of it, from several threads; what it raises stops all of them.
        sketched: is given a rough frame ``(h, w, 3) float32 in [0, 1]`` half-way through denoising, in a thread of its
            own, by a renderer that can.

    Raises:
        RenderStopped, StartOverError, Retryable, Permanent: as the renderer, the eye and the encoder raise them. Every
            thread has ended by then, and no file is left.
    """
    eye = eye_of(spec)
    begun = time.monotonic()
    drawing, seeing = _Stopwatch(), _Stopwatch()

    def see(drawn: Pipe[NDArray[np.float32]], seen: Pipe[NDArray[np.float32]], eye: Optics) -> None:
        for chunk in seeing.through(_seen(seeing.without(drawn), eye, fps=spec.fps, device=device)):
            seen.put(chunk)
        seen.close()

    with Relay() as relay:
        to_video: Pipe[NDArray[np.float32]] = relay.pipe()
        pipes = [to_video]
        human: _Recording | None = None
        if eye is not None:
            drawn: Pipe[NDArray[np.float32]] = relay.pipe()
            pipes = [drawn]
            relay.stage("see", partial(see, drawn, to_video, eye))
            if human_view is not None:
                to_human: Pipe[NDArray[np.float32]] = relay.pipe()
                pipes.append(to_human)
                human = _Recording(spec, human_view, relay, to_human, watch=None)
        creature = _Recording(spec, video, relay, to_video, watch=watch)
        if sketched is not None:
            show = sketched
            watch = _Peek(watch, renderer, lambda frame: relay.stage("preview", partial(show, frame)))
        samples = _Samples(spec.frames)
        for chunk in drawing.through(renderer.render(spec, watch=watch)):
            samples.take(chunk)
            for pipe in pipes:
                pipe.put(chunk)
        for pipe in pipes:
            pipe.close()
    return Film(
        video=creature.work.result,
        human_view=human.work.result if human else None,
        samples=samples.frames,
        draw_s=drawing.seconds,
        see_s=seeing.seconds,
        encode_s=creature.seconds,
        encode_human_view_s=human.seconds if human else 0.0,
        whole_s=time.monotonic() - begun,
        drawn_ns=drawing.ended_ns,
        at_work={
            SpanName.VIDEO: creature.at_work,
            **({SpanName.EYE: seeing.at_work} if eye else {}),
            **({SpanName.HUMAN_VIEW: human.at_work} if human else {}),
        },
    )


def eight_bits(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A frame in [0, 1] as pictures have it; what is no number is black."""
    return (np.nan_to_num(frame).clip(0, 1) * 255).round().astype(np.uint8)


class _Samples:
    """Frames at equal distances, the first one among them: what a clip shows, it shows for longer than a moment."""

    def __init__(self, frames: int) -> None:
        self._every = max(1, -(-frames // MOST_SAMPLES))
        self._seen = 0
        self._taken: list[NDArray[np.uint8]] = []

    def take(self, chunk: NDArray[np.float32]) -> None:
        """Look at the next frames of the clip."""
        first = -self._seen % self._every
        for frame in chunk[first :: self._every]:
            self._taken.append(eight_bits(frame))
        self._seen += len(chunk)

    @property
    def frames(self) -> NDArray[np.uint8]:
        """All that were taken."""
        return np.stack(self._taken)


class _Recording:
    """A video that is made of chunks as they come: converted in one thread, encoded in another."""

    def __init__(
        self, spec: RenderSpec, target: Target, relay: Relay, chunks: Pipe[NDArray[np.float32]], *, watch: Watch | None
    ) -> None:
        self._spec, self._target, self._watch = spec, target, watch
        self._converting, self._encoding = _Stopwatch(), _Stopwatch()
        pictures: Pipe[Pictures] = relay.pipe()
        relay.stage("convert", partial(self._convert, chunks, pictures))
        self.work: Work[Encoded] = relay.stage("encode", partial(self._encode, pictures))

    @property
    def seconds(self) -> float:
        """Of both."""
        return self._converting.seconds + self._encoding.seconds

    @property
    def at_work(self) -> tuple[int, int, float]:
        """See `Film.at_work`."""
        return self._converting.begun_ns, self._encoding.ended_ns, self.seconds

    def _convert(self, chunks: Pipe[NDArray[np.float32]], pictures: Pipe[Pictures]) -> None:
        clock, spec = self._converting, self._spec
        made = converted(clock.without(chunks), width=spec.width, height=spec.height, frames=spec.frames)
        for some in clock.through(made):
            pictures.put(some)
        pictures.close()

    def _encode(self, pictures: Pipe[Pictures]) -> Encoded:
        clock, spec = self._encoding, self._spec
        with clock.working():
            return encode(
                clock.without(pictures),
                self._target.path,
                width=spec.width,
                height=spec.height,
                fps=spec.fps,
                frames=spec.frames,
                metadata=self._target.metadata,
                watch=self._watch,
            )


class _Peek:
    """A watch that has a look at what is drawn, once, when half of the steps are done."""

    def __init__(self, watch: Watch, renderer: Renderer, sketched: Callable[[NDArray[np.float32]], object]) -> None:
        self._watch, self._renderer, self._sketched = watch, renderer, sketched
        self._is_due = True

    def moved(self, stage: Stage, done: int, total: int) -> None:
        self._watch.moved(stage, done, total)
        if self._is_due and stage is Stage.RENDERING and total <= 2 * done < 2 * total:
            self._is_due = False
            if (frame := self._renderer.sketch()) is not None:
                self._sketched(frame)

    def previewed(self, path: str) -> None:
        self._watch.previewed(path)


def _seen(
    chunks: Iterator[NDArray[np.float32]], eye: Optics, *, fps: int, device: str | None
) -> Iterator[NDArray[np.float32]]:
    from gpu_job.sight import see  # noqa: PLC0415 - imports torch: only once there is work

    return see(chunks, eye, fps=fps, device=device)


class _Stopwatch:
    """Counts the seconds that a stage works, without those that it waits for another. For one thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        #: When it got its first thing to work on, and when it last stopped, in nanoseconds since the epoch.
        self.begun_ns = self.ended_ns = 0

    @property
    def at_work(self) -> tuple[int, int, float]:
        """See `Film.at_work`."""
        return self.begun_ns, self.ended_ns, self.seconds

    @contextmanager
    def working(self) -> Iterator[None]:
        """What happens inside is work."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - begun
            self.ended_ns = time.time_ns()

    def through(self, chunks: Iterator[T]) -> Iterator[T]:
        """Making these is work; what their consumer does with them is not."""
        while True:
            with self.working():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk
            del chunk

    def without(self, chunks: Iterable[T]) -> Iterator[T]:
        """Waiting for these is no work, though it happens in the middle of it."""
        waiting = _Stopwatch()
        for chunk in waiting.through(iter(chunks)):
            self.seconds -= waiting.seconds
            waiting.seconds = 0.0
            self.begun_ns = self.begun_ns or time.time_ns()
            yield chunk
            del chunk
        self.seconds -= waiting.seconds
