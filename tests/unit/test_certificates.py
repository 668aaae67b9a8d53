"""Google's public keys are kept for as long as Google says, and no caller makes us fetch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from certificates import LONGEST_S, PAUSE_S, SHORTEST_S, Certificates

from shared.errors import Retryable
from shared.testing import Clock
from tests.unit.identity_world import GOOGLE_CERTS, KeyServer, serve_keys

URL = f"https://www.googleapis.example{GOOGLE_CERTS}"


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    with serve_keys() as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "holds_s"),
    [
        ({"Cache-Control": "public, max-age=3600, must-revalidate"}, 3600),
        ({"cache-control": "max-age=3600", "Age": "600"}, 3000),
        ({"Cache-Control": "max-age=3600", "Age": "soon"}, 3600),
        ({"Cache-Control": "max-age=3600", "Age": "4000"}, SHORTEST_S),
        ({"Cache-Control": "max-age=1"}, SHORTEST_S),
        ({"Cache-Control": "no-store"}, SHORTEST_S),
        ({}, SHORTEST_S),
        ({"Cache-Control": "max-age=999999999"}, LONGEST_S),
    ],
)
def test_keys_hold_for_as_long_as_their_answer_says_within_bounds(
    keys: KeyServer, headers: dict[str, str], holds_s: float
) -> None:
    clock = Clock()
    certificates = Certificates(keys, monotonic=clock.monotonic)
    keys.headers = headers
    certificates(URL)
    clock.pass_s(holds_s - 1)
    certificates(URL)
    assert keys.asked[GOOGLE_CERTS] == 1
    clock.pass_s(1)
    certificates(URL)
    assert keys.asked[GOOGLE_CERTS] == 2


def test_many_that_call_at_once_wait_for_one_that_fetches(keys: KeyServer) -> None:
    certificates = Certificates(keys, monotonic=Clock().monotonic)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: certificates(URL).data, range(64)))
    assert len(set(answers)) == 1
    assert keys.asked[GOOGLE_CERTS] == 1


@pytest.mark.parametrize("body", [b"<html>Sign in to this network</html>", b"[]", b"\xff", b""])
def test_an_answer_that_holds_no_keys_is_no_answer(keys: KeyServer, body: bytes) -> None:
    keys.bodies[GOOGLE_CERTS] = body
    with pytest.raises(Retryable):
        Certificates(keys, monotonic=Clock().monotonic)(URL)


def test_after_a_failure_nobody_asks_for_a_moment_and_then_it_works(keys: KeyServer) -> None:
    clock = Clock()
    certificates = Certificates(keys, monotonic=clock.monotonic)
    keys.status = 500
    for _ in range(3):
        with pytest.raises(Retryable):
            certificates(URL)
    assert keys.asked[GOOGLE_CERTS] == 1
    keys.status = 200
    clock.pass_s(PAUSE_S)
    assert certificates(URL).status == 200


def test_a_server_that_is_not_there_is_a_failure_too() -> None:
    with serve_keys() as keys:
        pass
    with pytest.raises(Retryable):
        Certificates(keys, monotonic=Clock().monotonic)(URL)
