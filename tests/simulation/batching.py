"""Clients with many wishes at once, and the function that places them chunk by chunk."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from accept_batch import accept_batch, batch_id_of
from batch_desk import BatchDesk, Limits
from callers import Caller
from cancel_batch import cancel_batch
from expand_batch import take_chunk

from shared.batches import job_id_of_row
from shared.errors import Rejected
from shared.messages import BATCH_CHUNKS, BatchChunk, decode
from shared.testing import AN_OFFER, TRACEPARENT
from tests.simulation.batch_referee import Wanted, fingerprint
from tests.simulation.clients import OWNERS
from tests.simulation.network import Stepped
from tests.simulation.services import InTurn
from tests.unit.admission_world import an_admission

if TYPE_CHECKING:
    from shared.publisher.memory import PublishedMessage
    from tests.simulation.clients import Clients
    from tests.simulation.house import House
    from tests.simulation.scheduler import Process

_UPLOADS: Final = "uploads"


class Batching:
    """Posts, cancels, chunks."""

    def __init__(self, house: House, clients: Clients) -> None:
        self._house = house
        self._clients = clients
        rng = house.rng
        self._desk = BatchDesk(
            batches=cast("Any", Stepped(house.batches, house.network)),
            manifests=cast("Any", Stepped(house.manifests, house.network)),
            offer=AN_OFFER,
            # It counts under a lock, which nobody may hold while others have their turn: a call that takes no time.
            admission=an_admission(house.store, monotonic=house.scheduler.monotonic),
            now=house.scheduler.process_now,
            monotonic=house.scheduler.monotonic,
            limits=Limits(
                chunk_s=rng.choice([1, 30, 240]),
                chunk_rows=rng.choice([2, 4, 100]),
                group_rows=rng.choice([1, 2, 4]),
                buckets=(_UPLOADS,),
                max_rows_of_person=100_000,
            ),
            pool=cast("Any", InTurn()),
            **house.services,
        )
        #: Who asked for another chunk of which batch.
        self._asked: set[tuple[Process, str]] = set()
        house.publisher.subscribe(BATCH_CHUNKS, self._deliver)

    @property
    def desk(self) -> BatchDesk:
        """What the use cases get."""
        return self._desk

    def come(self, number: int) -> None:
        """Posts many wishes, perhaps twice, and perhaps cancels them, or deletes some."""
        house, rng = self._house, self._house.rng
        name, key, owner = f"batch-{number}", f"batch-{number}", rng.choice(OWNERS)
        batch_id = batch_id_of("batch", owner, key)
        bad_rows = rng.choice([0, 0, 0.3])
        rows = [self._bad_row() if rng.random() < bad_rows else self._row() for _ in range(rng.randint(2, 8))]
        manifest, meddles = f"{name}.jsonl", False
        body: dict[str, Any] = {"atomic": rng.random() < 0.3, "priority": rng.choice(["bulk", "interactive"])}
        if rng.random() < 0.5:
            body["requests"] = rows
        else:
            house.manifests.put(_UPLOADS, manifest, b"".join(_line(row) + b"\n" for row in rows))
            body["manifest"] = f"gs://{_UPLOADS}/{manifest}"
            meddles = rng.random() < 0.1
        wanted = Wanted(
            good=Counter(fingerprint(_line(row)) for row in rows if "nobody" not in _line(row).decode()),
            bad={number for number, row in enumerate(rows, start=1) if "nobody" in _line(row).decode()},
            atomic=body["atomic"],
            is_meddled_with=meddles,
        )
        house.referee.batches.sent(batch_id, wanted)
        post = partial(self._post, json.dumps(body).encode(), batch_id=batch_id, owner=owner, key=key)
        for _ in range(1 + (rng.random() < 0.4)):
            after_s = rng.choice([0, 0, rng.uniform(0, 60)])
            house.persist(name, post, gives_up=house.profile.gives_up, after_s=after_s)
        if meddles:  # overwrites it by the same rows
            again = partial(house.manifests.put, _UPLOADS, manifest, b"".join(_line(row) + b"\n" for row in rows))
            house.persist(f"{name}-overwrites", again, after_s=rng.uniform(0, 60))
        if rng.random() < 0.4:
            after_s = rng.choice([rng.uniform(0, 5), rng.uniform(0, 60), rng.uniform(0, 400)])
            house.persist(f"{name}-cancels", partial(self._cancel, batch_id), after_s=after_s)
        if rng.random() < house.profile.deleted:
            job_id = job_id_of_row(batch_id, rng.randint(1, len(rows)))
            house.persist(f"{name}-deletes", partial(self._clients.delete, job_id), after_s=rng.uniform(0, 200))

    def _row(self) -> dict[str, Any]:
        rng, profile = self._house.rng, self._house.profile
        row: dict[str, Any] = {"perspective": "curious-cat", "size": "256x256"}
        if rng.random() < profile.private:
            return row | {"seed": rng.randrange(2), "prompt": "a tree"}
        return row | {"seed": rng.randrange(profile.renders)}

    def _bad_row(self) -> dict[str, Any]:
        return {"perspective": "nobody", "seed": self._house.rng.randrange(5)}

    def _post(self, body: bytes, *, batch_id: str, owner: str, key: str) -> None:
        try:
            accept_batch(
                body, caller=Caller(owner=owner), idempotency_key=key, traceparent=TRACEPARENT, desk=self._desk
            )
        except Rejected:
            self._house.network.tell("batch is refused", batch_id)
            self._house.referee.batches.refused(batch_id)

    def _cancel(self, batch_id: str) -> None:
        found = self._desk.batches.batch(batch_id)
        if found is not None:
            cancel_batch(found, desk=self._desk)

    def _deliver(self, message: PublishedMessage) -> None:
        batch_id = decode(BatchChunk, message.data).batch_id
        self._asked.add((self._house.scheduler.current.process, batch_id))
        self._house.deliver("expand", partial(self._expand, message.data, batch_id), subject=batch_id)

    def _expand(self, data: bytes, batch_id: str) -> None:
        process = self._house.scheduler.current.process
        take_chunk(data, desk=self._desk)
        asked = (process, batch_id) in self._asked
        self._house.referee.batches.chunk_ends(batch_id, by=process, asked_for_more=asked)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()
