"""Clients with one wish each: they wish twice at once, give up, cancel, delete, and wish for the same again."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Final

from cancel_job import cancel_job
from delete_job import delete_job
from placing import JobExistsError, NotSeenToError, attach, place

from shared.documents import WAITING
from shared.requests import Priority
from shared.testing import a_job, a_render
from tests.simulation.faults import Kind
from tests.simulation.scheduler import Scheduler

if TYPE_CHECKING:
    from shared.documents import Render
    from tests.simulation.house import House

OWNERS: Final = ("ann", "bob")
_NOW: Final = Scheduler(random.Random(0)).now()
#: What everybody may wish for, and get together.
PUBLIC_WISHES: Final = [a_render(now=_NOW, seed=seed, size="256x256") for seed in range(3)]
#: With a prompt: one owner's alone.
PRIVATE_WISHES: Final = {
    owner: [a_render(now=_NOW, seed=seed, size="256x256", owner=owner, prompt="a tree") for seed in range(2)]
    for owner in OWNERS
}


class Clients:
    """One of them is a number; what they do is drawn."""

    def __init__(self, house: House) -> None:
        self._house = house

    def come(self, number: int) -> None:
        """Wishes, perhaps twice at once, and perhaps does not want it any more."""
        house, rng, profile = self._house, self._house.rng, self._house.profile
        name, job_id, owner = f"client-{number}", f"job-{number:05d}", rng.choice(OWNERS)
        render = rng.choice(PUBLIC_WISHES[: profile.renders])
        if rng.random() < profile.private:
            render = rng.choice(PRIVATE_WISHES[owner])
        priority = rng.choice([Priority.INTERACTIVE, Priority.INTERACTIVE, Priority.BULK])
        cancels, twice = rng.random() < 0.25, rng.random() < 0.2
        for each in range(1 + twice):
            submit = partial(self._submit, job_id, render, priority, owner)
            house.persist(f"{name}{'b' * each}", submit, gives_up=profile.gives_up)
        if cancels:
            house.persist(f"{name}-cancels", partial(self._cancel, job_id), after_s=rng.uniform(0, 200))
        if rng.random() < profile.deleted:
            for _ in range(1 + (rng.random() < 0.2)):
                after_s = rng.uniform(0, 400)
                house.persist(f"{name}-deletes", partial(self.delete, job_id), after_s=after_s)
            if rng.random() < 0.8:  # the same once more, while the first goes
                after_s += rng.choice([0, rng.uniform(0, 1), rng.uniform(0, 20)])
                again = partial(self._submit, f"{job_id}-again", render, priority, owner)
                house.persist(f"{name}-again", again, gives_up=profile.gives_up, after_s=after_s)

    def delete(self, job_id: str) -> None:
        """As ``DELETE /jobs/{id}``."""
        services = self._house.services
        found = services["store"].job(job_id)
        if found is not None:
            delete_job(found, now=self._house.scheduler.process_now, **services)

    def delete_all_that_wait_for(self, render_key: str) -> None:
        """The worst moment for that is while its video is about to be uploaded."""
        for job in self._house.referee.jobs:
            if job.render_key == render_key and job.status in WAITING:
                after_s = self._house.rng.choice([0, self._house.rng.uniform(0, 1)])
                self._house.persist("client-deletes", partial(self.delete, job.job_id), after_s=after_s)

    def _submit(self, job_id: str, render: Render, priority: Priority, owner: str) -> None:
        house, now = self._house, self._house.scheduler.process_now
        job = a_job(render, job_id=job_id, now=now(), owner=owner)
        assert job.request
        job = job.model_copy(update={"request": job.request.model_copy(update={"priority": priority})})
        try:
            try:
                place(job, render.spec, now=now, **house.services)
            except JobExistsError:
                found = house.services["store"].job(job_id)
                if found is not None:
                    attach(found.value, render.spec, now=now, **house.services)
        except NotSeenToError:  # 202 all the same
            assert house.profile.kind is Kind.ROUGH, "nothing failed"
        else:
            house.referee.accepted(job.job_id)

    def _cancel(self, job_id: str) -> None:
        house = self._house
        found = house.services["store"].job(job_id)
        if found is not None:
            store, publisher = house.services["store"], house.services["publisher"]
            cancel_job(found, store=store, publisher=publisher, now=house.scheduler.process_now)
