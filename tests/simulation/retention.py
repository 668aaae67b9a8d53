"""What happens by itself when time passes: the store and the bucket delete what was kept for long enough."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.jobs import RETENTION
from tests.simulation.scheduler import START
from tests.simulation.services import MOST_LATE

if TYPE_CHECKING:
    from tests.simulation.house import House


class Retention:
    """The store's retention and the bucket's lifecycle, each thing at a time of its own within a day."""

    def __init__(self, house: House, *, seed: int) -> None:
        self._house = house
        self._seed = seed
        #: Whole runs differ in how late it is, or what is read together would seldom go at once.
        self._most_late = house.rng.choice([timedelta(minutes=10), MOST_LATE])

    def pass_time(self) -> None:
        """Until shortly before, or shortly after, the first thing may be deleted."""
        house = self._house
        first = min(
            [value.expires_at for value, _ in house.store._documents.values()]
            + [each.value.expires_at for each in house.batches._batches.values()],
            default=START + RETENTION,
        )
        left_s = (first - START).total_seconds() - house.scheduler.time
        house.scheduler.pause(left_s + house.rng.uniform(-300, 600))
        house.network.tell("TIME HAS PASSED")

    def run(self, until_s: float) -> None:
        """An actor: look again and again."""
        house = self._house
        while house.scheduler.time < until_s:
            house.scheduler.pause(house.rng.uniform(1, 60))
            self.sweep()

    def sweep(self) -> None:
        """Delete what is due."""
        house = self._house
        for gone in [
            *house.store.expired(lag=self._lag),
            *house.bucket.expired(lag=self._lag),
            *house.batches.expired(lag=self._lag),
        ]:
            what = gone if isinstance(gone, str) else getattr(gone, "job_id", None) or getattr(gone, "render_key", "")
            house.network.tell("EXPIRES", what)

    def _lag(self, what: str) -> timedelta:
        return self._most_late * random.Random(f"{self._seed} {what}").random()
