"""Answers that are kept for a moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.kept import Kept


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_found_out_once_in_its_time_and_anew_after_it() -> None:
    time, found = Time(), iter("ab")
    kept: Kept[str] = Kept(2.0, monotonic=time)

    answers = []
    for time.now in (0.0, 1.9, 2.0):
        answers.append(kept.answer("question", lambda: next(found)))

    assert answers == ["a", "a", "b"]


def test_another_question_has_an_answer_of_its_own() -> None:
    kept: Kept[int] = Kept(2.0, monotonic=Time())
    assert [kept.answer(number, lambda number=number: number) for number in (1, 2, 1)] == [1, 2, 1]  # type: ignore[misc]


def test_many_who_ask_at_once_cost_one() -> None:
    kept: Kept[int] = Kept(60.0, monotonic=Time())
    answers, everybody = iter(range(8)), threading.Barrier(8)

    def ask(_number: int) -> int:
        everybody.wait(timeout=10)
        return kept.answer("question", lambda: next(answers))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {0}


def test_those_who_wait_for_an_answer_that_fails_fail_with_it_and_none_of_them_tries_again() -> None:
    asked, tries = threading.Semaphore(0), []

    def monotonic() -> float:
        asked.release()
        return 0.0

    def fail() -> int:
        tries.append(1)
        assert all(asked.acquire(timeout=10) for _ in range(8)), "all wait for this"
        raise LookupError

    kept: Kept[int] = Kept(60.0, monotonic=monotonic)
    with ThreadPoolExecutor(8) as pool:
        errors = [each.exception(timeout=10) for each in [pool.submit(kept.answer, "it", fail) for _ in range(8)]]
    assert {type(each) for each in errors} == {LookupError}
    assert len(tries) == 1


def test_a_slow_question_keeps_nobody_from_the_answer_to_another() -> None:
    kept: Kept[int] = Kept(60.0, monotonic=Time())
    begun, answered = threading.Event(), threading.Event()

    def slowly() -> int:
        begun.set()
        return int(answered.wait(timeout=10))

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(kept.answer, "slow", slowly)
        assert begun.wait(timeout=10)
        assert kept.answer("quick", lambda: 7) == 7
        answered.set()
        assert slow.result(timeout=10) == 1


def test_a_failure_is_raised_and_not_kept() -> None:
    kept: Kept[int] = Kept(60.0, monotonic=Time())
    with pytest.raises(ZeroDivisionError):
        kept.answer("question", lambda: 1 // 0)
    assert kept.answer("question", lambda: 7) == 7
