"""How long renders took lately. Enters: the latest finished renders. Leaves: seconds to draw from, by what is rendered.

Of each render the seconds from its claim to its being final are known, and those of loading its model. Equal work on an
equal device is what a new render is compared with; less equal work widens what is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from shared.documents import Render
    from shared.requests import Priority, RenderSpec

#: So many equal renders of one device say more than more of all devices.
ENOUGH: Final = 8
#: How far one render of a kind is from the next (sigma of a log-normal) as long as one alone was seen; of n, the nth
#: part, since then their own spread is known.
SPREAD_OF_ONE: Final = 0.3
#: The same where seconds were scaled from other work of the same model: an attention's cost is no straight line.
SPREAD_OF_SCALED: Final = 0.4


class Kind(NamedTuple):
    """What decides how long a render takes, besides the device."""

    model: str
    width: int
    height: int
    frames: int
    steps: int

    @property
    def work(self) -> float:
        """Voxels times steps."""
        return float(self.width * self.height * self.frames * self.steps)


def kind_of(spec: RenderSpec) -> Kind:
    """The kind of a render."""
    return Kind(spec.model, spec.width, spec.height, spec.frames, spec.steps)


@dataclass(frozen=True, kw_only=True)
class Made:
    """One finished render."""

    kind: Kind
    device: str
    holder: str | None
    priority: Priority
    created_at: datetime
    finished_at: datetime
    #: From the claim to its being final, less those of loading.
    seconds: float
    #: Of loading the model; 0 where it was warm.
    load_s: float


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Seconds that were seen, in no order, and how far the next may be from each (sigma of a log-normal)."""

    seconds: Sequence[float]
    spread: float

    def draw(self, chance: random.Random) -> float:
        """Seconds that the next one may take."""
        return chance.choice(self.seconds) * math.exp(chance.gauss(0, self.spread))

    def resampled(self, chance: random.Random) -> Durations:
        """As they might have been seen as well: what few renders say of the mean of many, they say with that doubt.

        The bootstrap: Efron, 1979.
        """
        return Durations(seconds=chance.choices(self.seconds, k=len(self.seconds)), spread=self.spread)


class History:
    """The latest finished renders; of those that were made by an earlier release, what is known of them is too little.

    Args:
        renders: completed ones, the newest first.
    """

    def __init__(self, renders: Iterable[Render]) -> None:
        self._made = [made for each in renders if (made := _made(each))]

    def of(self, spec: RenderSpec, *, device: str | None = None) -> Durations | None:
        """What such a render takes on a warm worker; None where its model was not seen.

        Args:
            spec: of the render.
            device: that it is on, where that is known.
        """
        kind = kind_of(spec)
        equal = [each for each in self._made if each.kind == kind]
        on_it = [each for each in equal if each.device == device]
        if len(on_it) >= ENOUGH:
            equal = on_it
        if equal:
            return Durations(seconds=[each.seconds for each in equal], spread=SPREAD_OF_ONE / len(equal))
        scaled = [each.seconds * kind.work / each.kind.work for each in self._made if each.kind.model == kind.model]
        return Durations(seconds=scaled, spread=SPREAD_OF_SCALED) if scaled else None

    def wishes_a_second(self, priority: Priority, *, now: datetime) -> float:
        """How often new work of that priority came lately; 0 where nothing was finished."""
        if not self._made:
            return 0.0
        seen = sum(each.priority is priority for each in self._made)
        return seen / max(1.0, (now - min(each.created_at for each in self._made)).total_seconds())

    def load_s(self, model: str) -> Durations | None:
        """What loading takes a new worker; None where nobody loaded that model lately."""
        seen = [each.load_s for each in self._made if each.kind.model == model and each.load_s > 0]
        return Durations(seconds=seen, spread=SPREAD_OF_ONE / len(seen)) if seen else None

    def device_of(self, holder: str | None) -> str | None:
        """What that worker rendered on before."""
        return next((each.device for each in self._made if holder and each.holder == holder), None)

    def holders_since(self, moment: datetime) -> set[str]:
        """Workers that have finished something since then."""
        return {each.holder for each in self._made if each.holder and each.finished_at >= moment}


def _made(render: Render) -> Made | None:
    usage = render.usage
    if usage is None or render.claimed_at is None or render.finished_at is None:
        return None
    whole_s = (render.finished_at - render.claimed_at).total_seconds()
    # Another attempt's video: it was there before this claim had done anything.
    if whole_s < usage.load_s + usage.render_s:
        whole_s = usage.load_s + usage.render_s + usage.encode_s
    return Made(
        kind=kind_of(render.spec),
        device=usage.device,
        holder=render.holder,
        priority=render.priority,
        created_at=render.created_at,
        finished_at=render.finished_at,
        seconds=max(0.001, whole_s - usage.load_s),
        load_s=usage.load_s,
    )
