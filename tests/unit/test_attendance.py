"""How a worker says that it is there, and hears that it is not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpu_job.attendance import LOOK_S, Attendance
from shared.crew import REPORT_S, Orders
from shared.crew_store.memory import InMemoryCrewStore
from shared.errors import Retryable
from shared.testing import Clock
from shared.testing.meddling import Meddling

if TYPE_CHECKING:
    from shared.crew import Presence
    from shared.crew_store import StoredOrders


class MeddledCrewStore(InMemoryCrewStore):
    """In memory; may be out of reach, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.meddling = Meddling()
        self.reports = self.looks = 0

    def report(self, presence: Presence) -> None:
        self.meddling.happens("report")
        self.reports += 1
        super().report(presence)

    def orders(self) -> StoredOrders | None:
        self.meddling.happens("orders")
        self.looks += 1
        return super().orders()

    def leave(self, holder: str) -> None:
        self.meddling.happens("leave")
        super().leave(holder)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crew() -> MeddledCrewStore:
    return MeddledCrewStore()


@pytest.fixture
def attendance(crew: MeddledCrewStore, clock: Clock) -> Attendance:
    return Attendance(crew=crew, holder="worker-a", models=("pocket",), now=clock.now, monotonic=clock.monotonic)


def no_answer() -> None:
    raise Retryable("no answer")


def drain(crew: MeddledCrewStore, clock: Clock) -> None:
    crew.create_orders(Orders(is_draining=True, reason="a new model", changed_at=clock.now()))


def test_a_new_worker_says_at_once_that_it_is_there(
    attendance: Attendance, crew: MeddledCrewStore, clock: Clock
) -> None:
    assert attendance.is_wanted()

    [presence] = crew.present(since=clock.now(), limit=9)
    assert (presence.holder, presence.models, presence.since) == ("worker-a", ("pocket",), clock.now())


def test_thousands_of_short_renders_cost_a_look_every_few_seconds(
    attendance: Attendance, crew: MeddledCrewStore, clock: Clock
) -> None:
    seconds = 60
    for _ in range(seconds * 100):
        assert attendance.is_wanted()
        clock.pass_s(0.01)

    assert crew.looks <= seconds / LOOK_S + 1
    assert crew.reports <= seconds / REPORT_S + 1


def test_a_drained_worker_is_not_wanted_and_one_that_comes_meanwhile_is_not_either(
    attendance: Attendance, crew: MeddledCrewStore, clock: Clock
) -> None:
    assert attendance.is_wanted()
    drain(crew, clock)
    assert attendance.is_wanted(), "it has not asked yet"
    clock.pass_s(LOOK_S)

    assert not attendance.is_wanted()
    assert not attendance.is_wanted(), "nor when it asks again at once"

    late = Attendance(crew=crew, holder="worker-b", models=("pocket",), now=clock.now, monotonic=clock.monotonic)
    assert not late.is_wanted()


def test_while_nobody_answers_a_worker_works(attendance: Attendance, crew: MeddledCrewStore, clock: Clock) -> None:
    drain(crew, clock)
    crew.meddling.before("orders", no_answer)

    assert attendance.is_wanted()

    clock.pass_s(LOOK_S)
    assert not attendance.is_wanted()


def test_who_leaves_is_not_there_any_more(attendance: Attendance, crew: MeddledCrewStore, clock: Clock) -> None:
    attendance.is_wanted()

    attendance.leave()

    assert crew.present(since=clock.now(), limit=9) == []


def test_who_cannot_say_that_it_leaves_leaves_nevertheless(attendance: Attendance, crew: MeddledCrewStore) -> None:
    crew.meddling.before("leave", no_answer)

    attendance.leave()
