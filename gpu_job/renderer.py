"""The seam between the life of a job and the model that draws. Enters: a `RenderSpec`. Leaves: frames.

Nothing here imports torch; `gpu_job.diffusers_renderer` is the real one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.errors import LifeAsNotMeError, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class LoadTimes(NamedTuple):
    """Seconds that the latest render spent on its model, by what they went into; 0 when it was warm."""

    #: Fetching: from the hub, or out of a mounted bucket.
    download_s: float = 0.0
    #: Files into the machine's memory.
    read_s: float = 0.0
    #: Onto the device.
    move_s: float = 0.0
    #: Compiling, which happens while it renders.
    compile_s: float = 0.0


class Watch(Protocol):
    """Looks over the shoulder of the work: hears of progress, and may want it to stop."""

    def moved(self, stage: Stage, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` parts of a stage are finished.

        Raises:
            RenderStopped: nobody wants the result any more; let it pass.
        """


class Renderer(Protocol):
    """Turns a render spec into frames."""

    @property
    def device_name(self) -> str:
        """What it draws on, for the receipt: ``cpu (2 threads)``, or the GPU's name."""

    @property
    def load_s(self) -> float:
        """Seconds that the latest render spent on loading its model; 0 when it was warm."""

    @property
    def load_times(self) -> LoadTimes:
        """What they, and those of compiling, went into."""

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """Draw the clip, loading the model first if need be.

        Calls ``watch.moved(Stage.LOADING, ...)`` around loading and ``watch.moved(Stage.RENDERING, step, steps)`` after
        every denoising step: true progress, and the place where it can be stopped.

        Returns:
            Chunks of ``(n, height, width, 3) float32 in [0, 1]``, display sRGB, in order; ``spec.frames`` in all.

        Raises:
            RenderStopped: the watch wanted it.
            StartOverError: call it again, once.
            Retryable: it may work on another machine or later (model not reachable, out of memory because of others).
            Permanent: this spec can't be rendered (frames are not finite, model can't do the size, too large for the
                memory).
        """
