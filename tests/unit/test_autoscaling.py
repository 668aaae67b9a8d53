"""The autoscaling simulator does what queues, KEDA and our worker do: invariants, formulas, KEDA's own examples."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from bench.arrivals import TRACES, Wish, daily, long_jobs
from bench.autoscaling import BEFORE, ISSUE_5613, OURS, STRATEGIES, WAYS, Setup, grown
from bench.cluster import AlwaysOn, Cluster, PodPerJob
from bench.fleet import Attempt, Outcome, simulate
from bench.keda import Strategy, jobs_to_create
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

#: Nothing but queueing: workers are there at once and stay.
AT_ONCE = Cluster(node_boot_s=(0, 0), image_s=0, pod_s=0, model_s=0, preemptions_an_hour=0)
STORMY = Cluster(preemptions_an_hour=6)


def bulk_of(rows: int, *, render_s: float = 45.0) -> list[Wish]:
    return [Wish(number=row, at_s=0.1 * row, render_s=render_s, priority=Priority.BULK) for row in range(rows)]


def most_at_once(outcome: Outcome, *, until_s: float = float("inf")) -> int:
    return max(each.workers for each in outcome.moments if each.at_s < until_s)


@pytest.mark.parametrize("way", [*WAYS, *STRATEGIES])
def test_each_wish_gets_one_video_though_nodes_are_taken_away(way: str) -> None:
    wishes = TRACES["viral"](1)

    outcome = simulate(wishes, scaling={**WAYS, **STRATEGIES}[way].scaling, cluster=STORMY, seed=1)

    done = [each.wish.number for each in outcome.attempts if each.is_done]
    assert sorted(done) == [each.number for each in wishes]
    assert not all(each.is_done for each in outcome.attempts), "some were taken away in the middle"


@pytest.mark.parametrize("way", WAYS)
def test_no_worker_renders_two_at_once_and_no_wish_is_rendered_by_two(way: str) -> None:
    outcome = simulate(TRACES["bursty"](2), scaling=WAYS[way].scaling, cluster=STORMY, seed=2)

    ofs: list[Callable[[Attempt], int]] = [lambda each: each.worker, lambda each: each.wish.number]
    for of in ofs:
        attempts = sorted(outcome.attempts, key=lambda each: (of(each), each.began_s))
        assert all(first.ended_s <= second.began_s for first, second in pairwise(attempts) if of(first) == of(second))


def test_the_same_seed_gives_the_same_outcome_and_another_one_does_not() -> None:
    first, again, other = (WAYS["gcp-pubsub"].run(TRACES["bursty"](seed), seed=seed) for seed in (3, 3, 4))

    assert (first.attempts, first.moments, first.nodes) == (again.attempts, again.moments, again.nodes)
    assert first.moments != other.moments


def test_bulk_alone_never_starts_the_last_quarter_of_the_workers() -> None:
    capped = simulate(bulk_of(400), scaling=OURS)
    free = simulate(bulk_of(400), scaling=OURS, cluster=Cluster(bulk_at_most=None))

    assert most_at_once(capped) == 12
    assert most_at_once(free) == 16, "which the cap alone prevents"


def test_a_person_among_bulk_gets_a_worker_more_and_goes_first() -> None:
    person = Wish(number=100, at_s=1000, render_s=45)

    outcomes = [simulate([*bulk_of(100, render_s=600), person], scaling=OURS, seed=seed) for seed in range(10)]

    waits_s = [wait_s for each in outcomes for wait_s in each.waits_s(Priority.INTERACTIVE)]
    assert {most_at_once(each, until_s=1000) for each in outcomes} == {12}
    assert {most_at_once(each) for each in outcomes} == {13}
    assert statistics.median(waits_s) < 250, "a start, and no render of ten minutes; one pull in five is for bulk"


def test_ten_times_the_load_is_ten_times_the_wishes_of_people_and_of_bulk_at_the_same_hours() -> None:
    once, often = daily(0), daily(0, times=10)

    def of(wishes: list[Wish], priority: Priority) -> list[float]:
        return [each.at_s for each in wishes if each.priority is priority]

    assert len(of(often, Priority.BULK)) == 10 * len(of(once, Priority.BULK))
    assert len(of(often, Priority.INTERACTIVE)) == pytest.approx(10 * len(of(once, Priority.INTERACTIVE)), rel=0.1)
    middles_s = [statistics.mean(of(each, Priority.INTERACTIVE)) for each in (once, often)]
    assert middles_s[0] == pytest.approx(middles_s[1], rel=0.05)


def test_a_deployment_that_has_grown_has_so_many_times_the_workers_and_room_for_bulk() -> None:
    clusters = [each.cluster for each in grown(10).values()]

    assert list(grown(10)) == ["16 workers", "160 workers"]
    assert [(each.max_workers, each.bulk_at_most) for each in clusters] == [(16, 24), (160, 240)]


def test_there_are_never_more_nodes_than_there_may_be_workers() -> None:
    for scaling in (OURS, PodPerJob(), AlwaysOn(workers=16)):
        outcome = simulate(TRACES["bursty"](0), scaling=scaling, cluster=STORMY)
        changes = [(node.asked_s, 1) for node in outcome.nodes]
        changes += [(node.gone_s, -1) for node in outcome.nodes if node.gone_s is not None]
        there = 0
        for _, change in sorted(changes):
            there += change
            assert there <= 16


def test_evenly_arriving_wishes_wait_as_long_as_arithmetic_says() -> None:
    """Ten at once, 30 s each, two workers: the last two begin after four others of their worker."""
    wishes = [Wish(number=number, at_s=1, render_s=30) for number in range(10)]

    outcome = simulate(wishes, scaling=AlwaysOn(workers=2), cluster=AT_ONCE)

    assert sorted(outcome.waits_s()) == pytest.approx([0, 0, 30, 30, 60, 60, 90, 90, 120, 120])


@pytest.mark.parametrize(
    ("workers", "load", "expected_s"),
    [
        # M/M/1: 10 s a render x load / (1 - load).
        (1, 0.5, 10.0),
        (1, 0.7, 23.33),
        # M/M/2: 10 s x load² / (1 - load²), Erlang's C for two.
        (2, 0.7, 9.61),
    ],
)
def test_waits_are_those_of_queueing_theory(workers: int, load: float, expected_s: float) -> None:
    draw, at_s, wishes = random.Random(0), 0.0, []
    for number in range(20_000):
        at_s += draw.expovariate(workers * load / 10)
        wishes.append(Wish(number=number, at_s=at_s, render_s=draw.expovariate(1 / 10)))

    waits_s = simulate(wishes, scaling=AlwaysOn(workers=workers), cluster=AT_ONCE).waits_s()

    assert sum(waits_s) / len(waits_s) == pytest.approx(expected_s, rel=0.08)


def test_the_first_wish_waits_for_a_look_a_node_an_image_and_a_model() -> None:
    cluster = Cluster(node_boot_s=(120, 120), image_s=20, pod_s=3, model_s=40, preemptions_an_hour=0)
    wishes = [Wish(number=0, at_s=1, render_s=45), Wish(number=1, at_s=400, render_s=45)]

    first_s, second_s = simulate(wishes, scaling=OURS, cluster=cluster).waits_s()

    assert first_s == pytest.approx(9 + 120 + 20 + 3 + 40)
    assert second_s == pytest.approx(0), "the worker was still warm"


def test_a_worker_leaves_after_it_was_warm_for_nothing_and_its_node_after_that() -> None:
    cluster = Cluster(node_boot_s=(120, 120), warm_s=300, node_idle_s=60, preemptions_an_hour=0)

    outcome = simulate([Wish(number=0, at_s=0, render_s=45)], scaling=OURS, cluster=cluster)

    [attempt], [worker], [node] = outcome.attempts, outcome.workers, outcome.nodes
    assert worker.left_s == pytest.approx(attempt.ended_s + 300)
    assert node.gone_s == pytest.approx(attempt.ended_s + 360)
    assert node.gone_s is not None
    assert outcome.dollars_a_video == pytest.approx((node.gone_s - node.asked_s) * 0.40 / 3600)


@pytest.mark.parametrize(
    ("strategy", "queue", "running", "pending", "most", "created"),
    [
        # queue less what runs, pending or not
        (Strategy.DEFAULT, 3, 2, 0, 10, 1),
        (Strategy.DEFAULT, 3, 3, 3, 10, 0),
        (Strategy.DEFAULT, 20, 4, 0, 10, 6),
        (Strategy.DEFAULT, 1.2, 1, 0, 10, 1),
        # those of KEDA's own test of `accurate`
        (Strategy.ACCURATE, 3, 2, 0, 5, 3),
        (Strategy.ACCURATE, 5, 2, 0, 5, 3),
        (Strategy.ACCURATE, 3, 4, 2, 10, 1),
        (Strategy.ACCURATE, 5, 4, 2, 5, 1),
        # and of `eager`, whose number of running Jobs has the pending ones in it, too
        (Strategy.EAGER, 4, 3, 0, 10, 4),
        (Strategy.EAGER, 4, 0, 3, 10, 4),
        (Strategy.EAGER, 4, 7, 0, 10, 3),
        (Strategy.EAGER, 4, 1, 6, 10, 3),
        # nothing to do, nobody started
        (Strategy.DEFAULT, 0, 0, 0, 10, 0),
        (Strategy.ACCURATE, 0, 0, 0, 10, 0),
        (Strategy.EAGER, 0, 0, 0, 10, 0),
    ],
)
def test_a_strategy_creates_as_many_jobs_as_keda(
    *, strategy: Strategy, queue: float, running: int, pending: int, most: int, created: int
) -> None:
    assert jobs_to_create(strategy, queue=queue, running=running, pending=pending, most=most) == created


def test_three_to_four_useless_pods_follow_each_real_one_in_kedas_issue_5613() -> None:
    def useless(name: str) -> float:
        outcome = ISSUE_5613[name].run(long_jobs(0), seed=0)
        return outcome.wasted / (len(outcome.workers) - outcome.wasted)

    assert 3 <= useless("gcp-pubsub, seen after 0 to 120 s") <= 4
    assert 3 <= useless("gcp-pubsub, seen after 90 s") <= 4
    assert useless("ours, with a worker of one message") <= 0.05
    assert useless("ours, as deployed") <= 0.05


@pytest.mark.parametrize("trace", TRACES)
def test_at_most_one_in_twenty_of_our_pods_finds_nothing(trace: str) -> None:
    def wasted(setup: Setup) -> float:
        outcomes = [setup.run(TRACES[trace](seed), seed=seed) for seed in range(3)]
        return sum(each.wasted for each in outcomes) / sum(len(each.workers) for each in outcomes)

    assert wasted(WAYS["ours: metrics-api"]) <= 0.05
    assert wasted(BEFORE) > 0.05, "as it was before"
