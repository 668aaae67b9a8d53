"""The seam between the life of a job and the model that draws. Enters: a `RenderSpec`. Leaves: frames.

Nothing here imports torch; `gpu_job.diffusers_renderer` is the real one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shared.errors import LifeAsNotMeError, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from shared.documents import Stage
    from shared.requests import RenderSpec


class RenderStopped(Exception):  # noqa: N818 - an answer to a wish, not an error
    """The watch wanted the work to stop, and it stopped between two steps."""


class UnfitError(LifeAsNotMeError):
    """This worker can render nothing, whatever the spec: its settings or its machine are wrong, and it must end."""


class StartOverError(Retryable):
    """What was handed over so far is void: the same spec, rendered again from its beginning, may work."""


class NotServedError(Retryable):
    """This worker leaves renders with that model to others: no fault of the render, and nothing was done."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a render took, for its receipt."""

    #: Seconds by what was done in them, such as ``denoise``. Those of loading's parts are 0 when the model was warm.
    seconds: Mapping[str, float] = field(default_factory=dict)
    #: The most that was in use at a time: of a GPU, or of the whole process since its start where the CPU drew.
    peak_memory_bytes: int | None = None
    #: Versions of what decides pixels and is no Python package, such as ``cuda``.
    software: Mapping[str, str] = field(default_factory=dict)
    #: Which levers of its recipe it ran with, and why not with the others; see `gpu_job.acceleration.accelerate`.
    acceleration: Mapping[str, str] = field(default_factory=dict)


class Watch(Protocol):
    """Looks over the shoulder of the work: hears of progress, and may want it to stop. Called from any thread."""

    def moved(self, stage: Stage, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` parts of a stage are finished.

        Raises:
            RenderStopped: nobody wants the result any more; let it pass.
        """

    def previewed(self, path: str) -> None:
        """Say that an early picture of the video lies in the bucket."""


class Renderer(Protocol):
    """Turns a render spec into frames."""

    @property
    def device_name(self) -> str:
        """What it draws on, for the receipt: ``cpu (2 threads)``, or the GPU's name."""

    @property
    def load_s(self) -> float:
        """Seconds that the latest render spent on loading its model; 0 when it was warm."""

    @property
    def account(self) -> Account:
        """What the latest render took; whole once its last chunk was handed over."""

    def sketch(self) -> NDArray[np.float32] | None:
        """A rough picture of the clip's middle, as far as it is drawn.

        To be called from within ``watch.moved(Stage.RENDERING, ...)``.

        Returns:
            ``(h, w, 3) float32 in [0, 1]``, smaller than the video perhaps; None where the model can't.
        """

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """Draw the clip, loading the model first if need be.

        Calls ``watch.moved(Stage.LOADING, ...)`` around loading and ``watch.moved(Stage.RENDERING, step, steps)`` after
        every denoising step: true progress, and the place where it can be stopped.

        Returns:
            Chunks of ``(n, height, width, 3) float32 in [0, 1]``, display sRGB, in order; ``spec.frames`` in all.

        Raises:
            RenderStopped: the watch wanted it.
            StartOverError: call it again, once.
            NotServedError: other workers render with this model.
            Retryable: it may work on another machine or later (model not reachable, out of memory because of others).
            Permanent: this spec can't be rendered (frames are not finite, model can't do the size, too large for the
                memory).
        """
