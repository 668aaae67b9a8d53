"""The door for identity: who is let in as whom, by keys of our own that stand in Google's place."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from callers import Caller, Callers

from local.tokens import PROJECT, local_token
from shared.errors import ErrorCode, Rejected, Retryable
from tests.unit.identity_world import (
    AUDIENCE,
    FIREBASE_CERTS,
    GOOGLE_CERTS,
    KIOSK,
    PROJECT_NUMBER,
    KeyServer,
    a_call,
    callers_by,
    certificate,
    claims_of_a_person,
    claims_of_a_system,
    claims_of_an_app,
    serve_keys,
    signed,
)


@pytest.fixture(scope="module")
def keys() -> Iterator[KeyServer]:
    with serve_keys() as running:
        yield running


@pytest.fixture
def callers(keys: KeyServer) -> Callers:
    return callers_by(keys)


def refusal(callers: Callers, token: str | None, **headers: str) -> str:
    with pytest.raises(Rejected) as caught:
        callers.who_is_calling(a_call(token, **headers))
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    assert not caught.value.faults
    return caught.value.detail


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


# --- people ---


def test_a_person_is_known_by_their_uid(callers: Callers) -> None:
    token = signed(claims_of_a_person("Zk3x"), key="firebase")
    assert callers.who_is_calling(a_call(token)) == Caller(owner="Zk3x")


def test_an_account_without_a_name_is_a_person_and_known_as_one_without_a_name(callers: Callers) -> None:
    token = signed(claims_of_a_person("Zk3x", provider="anonymous"), key="firebase")
    assert callers.who_is_calling(a_call(token)) == Caller(owner="Zk3x", is_anonymous=True)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_scheme_is_written_in_any_case(callers: Callers, scheme: str) -> None:
    token = signed(claims_of_a_person(), key="firebase")
    assert callers.who_is_calling(a_call(None, Authorization=f"{scheme} {token}")).owner == "ada"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YWRhOmFkYQ==", "ada"])
def test_who_shows_no_token_is_told_what_to_show(callers: Callers, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert "Authorization: Bearer" in refusal(callers, None, **headers)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another-project"},
        {"aud": [PROJECT]},
        {"aud": None},
        {"iss": "https://securetoken.google.com/another-project"},
        {"iss": "https://evil.example/life-as-not-me"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "system:kiosk"},
        {"sub": "../renders"},
        {"sub": "a/b"},
        {"sub": "x" * 129},
        {"sub": "public"},
        {"iat": None},
        {"iat": "yesterday"},
    ],
    ids=str,
)
def test_a_token_with_another_claim_than_firebase_writes_is_not_taken(
    callers: Callers, changed: dict[str, Any]
) -> None:
    assert "not one that this API takes" in refusal(callers, signed(claims_of_a_person(**changed), key="firebase"))


def test_an_expired_token_is_told_apart_so_that_a_client_gets_a_new_one(callers: Callers) -> None:
    assert "has expired" in refusal(callers, signed(claims_of_a_person(exp=int(time.time()) - 60), key="firebase"))


def test_a_clock_may_be_some_seconds_late_or_early(callers: Callers) -> None:
    now = int(time.time())
    late = signed(claims_of_a_person(exp=now - 2), key="firebase")
    early = signed(claims_of_a_person(iat=now + 5), key="firebase")
    assert callers.who_is_calling(a_call(late)) == callers.who_is_calling(a_call(early))


def test_a_token_from_the_future_is_not_taken(callers: Callers) -> None:
    refusal(callers, signed(claims_of_a_person(iat=int(time.time()) + 600), key="firebase"))


def forged() -> dict[str, str]:
    claims = claims_of_a_person()
    good = signed(claims, key="firebase")
    header, payload, signature = good.split(".")
    return {
        "by a stranger's key": signed(claims, key="stranger"),
        "by a stranger's key under Firebase's name": signed(claims, key="stranger", key_id="firebase"),
        "by Google's other key": signed(claims, key="google"),
        "by Google's other key under Firebase's name": signed(claims, key="google", key_id="firebase"),
        "unsigned": local_token("ada"),
        "unsigned under Firebase's name": f"{part({'alg': 'none', 'kid': 'firebase'})}.{payload}.",
        "signed by the certificate as a secret": f"{part({'alg': 'HS256', 'kid': 'firebase'})}.{payload}.{signature}",
        "with another's claims": f"{header}.{part(claims | {'sub': 'bob'})}.{signature}",
        "with no signature": f"{header}.{payload}.",
        "with half a signature": good[:-40],
        "with the signature that Cloud Run takes away": f"{header}.{payload}.SIGNATURE_REMOVED_BY_GOOGLE",
        "with one part more": f"{good}.{signature}",
    }


def test_a_forged_token_is_not_taken(callers: Callers) -> None:
    told = {how: refusal(callers, token) for how, token in forged().items()}
    assert len(told) == 12
    assert set(told.values()) == {"The token is not one that this API takes."}


DEEP = base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        ".",
        "..",
        "...",
        "a.b.c",
        "ümläut.ö.ä",
        "x" * 8193,
        f"{part([])}.{part({})}.",
        f"{part({'alg': 'RS256'})}.{part([])}.",
        f"{part({'alg': 'RS256'})}.{part('text')}.",
        f"{part({'alg': 'RS256'})}.{part(None)}.",
        f"{part({'alg': ['RS256'], 'kid': {}})}.{part(claims_of_a_person())}.",
        f"{part({'alg': 'RS256', 'kid': ['firebase']})}.{part(claims_of_a_person())}.eA",
        f"{part({'alg': 'RS256', 'kid': 'firebase'})}.{part(claims_of_a_person(iss=[]))}.eA",
        f"{part({'alg': 'RS256', 'kid': 'firebase'})}.{part(claims_of_a_person(exp=10**400))}.eA",
        f"{part({'alg': 'RS256', 'kid': 'firebase'})}.{part(claims_of_a_person(exp=True))}.eA",
        f"{DEEP}.{DEEP}.",
    ],
    ids=lambda token: token[:30],
)
def test_what_is_no_token_is_refused_and_breaks_nothing(callers: Callers, token: str) -> None:
    refusal(callers, token)


def test_no_refusal_repeats_the_token(callers: Callers, caplog: pytest.LogCaptureFixture) -> None:
    token = forged()["by a stranger's key"]
    assert token not in refusal(callers, token)
    assert token not in caplog.text


# --- systems ---


def test_a_system_that_is_named_is_known_by_its_address(callers: Callers) -> None:
    token = signed(claims_of_a_system(), key="google")
    assert callers.who_is_calling(a_call(token)) == Caller(owner=f"system:{KIOSK}", is_system=True)


def test_a_system_that_wishes_by_message_too_has_those_jobs(keys: KeyServer) -> None:
    callers = callers_by(keys, {"SYSTEM_CALLERS": f"other@museum.example, museum-kiosk={KIOSK}"})
    token = signed(claims_of_a_system(), key="google")
    assert callers.who_is_calling(a_call(token)) == Caller(owner="system:museum-kiosk", is_system=True)


@pytest.mark.parametrize(
    "changed",
    [{"aud": "https://another.example"}, {"aud": None}, {"aud": [AUDIENCE, "https://another.example"]}, {"iat": None}],
    ids=str,
)
def test_a_systems_token_for_another_audience_is_not_taken(callers: Callers, changed: dict[str, Any]) -> None:
    assert "not one that this API takes" in refusal(callers, signed(claims_of_a_system(**changed), key="google"))


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "kiosk@evil.iam.gserviceaccount.com"},
        {"email": None},
        {"email": [KIOSK]},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
    ],
    ids=str,
)
def test_a_system_that_is_not_named_is_not_let_in(callers: Callers, changed: dict[str, Any]) -> None:
    claims = claims_of_a_system() | changed
    assert "not among the systems" in refusal(callers, signed(claims, key="google"))


@pytest.mark.parametrize("left_out", ["API_AUDIENCES", "SYSTEM_CALLERS"])
def test_a_deployment_that_names_no_system_lets_none_in(keys: KeyServer, left_out: str) -> None:
    closed = callers_by(keys, {left_out: ""})
    refusal(closed, signed(claims_of_a_system(), key="google"))
    refusal(closed, signed(claims_of_a_system(aud=None), key="google"))


@pytest.mark.parametrize("key", ["firebase", "stranger"])
@pytest.mark.parametrize("key_id", ["google", "firebase"])
def test_no_other_key_signs_for_systems(callers: Callers, key: str, key_id: str) -> None:
    refusal(callers, signed(claims_of_a_system(), key=key, key_id=key_id))


# --- keys ---


def test_keys_are_fetched_once_however_many_call() -> None:
    with serve_keys() as keys:
        callers = callers_by(keys)
        for _ in range(20):
            callers.who_is_calling(a_call(signed(claims_of_a_person(), key="firebase")))
            callers.who_is_calling(a_call(signed(claims_of_a_system(), key="google")))
            refusal(callers, forged()["by a stranger's key"])
        assert keys.asked == {FIREBASE_CERTS: 1, GOOGLE_CERTS: 1}


def test_a_token_that_no_key_can_sign_fetches_no_keys() -> None:
    with serve_keys() as keys:
        for token in ("x", signed(claims_of_a_person(iss="https://evil.example"), key="firebase")):
            refusal(callers_by(keys, {"SYSTEM_CALLERS": "", "API_AUDIENCES": ""}), token)
        refusal(callers_by(keys), signed(claims_of_a_person(exp=1), key="firebase"))
        assert not keys.asked


def test_when_google_does_not_answer_nobody_is_let_in_and_nobody_is_refused() -> None:
    with serve_keys() as keys:
        keys.status = 503
        with pytest.raises(Retryable):
            callers_by(keys).who_is_calling(a_call(signed(claims_of_a_person(), key="firebase")))


# --- the app ---


@pytest.fixture
def guarded(keys: KeyServer) -> Callers:
    """A deployment that wants people to come with its app."""
    return callers_by(keys, {"APP_CHECK_PROJECT_NUMBER": PROJECT_NUMBER})


def test_where_the_app_is_asked_for_a_person_with_it_is_let_in(guarded: Callers) -> None:
    person, app = signed(claims_of_a_person(), key="firebase"), signed(claims_of_an_app(), key="app-check")
    assert guarded.who_is_calling(a_call(person, X_Firebase_AppCheck=app)).owner == "ada"


def test_where_the_app_is_asked_for_a_person_without_it_is_not() -> None:
    with serve_keys() as keys:
        guarded = callers_by(keys, {"APP_CHECK_PROJECT_NUMBER": PROJECT_NUMBER})
        person = signed(claims_of_a_person(), key="firebase")
        now = int(time.time())
        for app in (
            "",
            "x",
            signed(claims_of_an_app(), key="stranger", key_id="app-check"),
            signed(claims_of_an_app(exp=now - 60), key="app-check"),
            signed(claims_of_an_app(aud=["projects/1"]), key="app-check"),
            signed(claims_of_an_app(aud=None), key="app-check"),
            signed(claims_of_an_app(aud=7), key="app-check"),
            signed(claims_of_an_app(iss="https://firebaseappcheck.googleapis.com/1"), key="app-check"),
            person,
        ):
            assert "X-Firebase-AppCheck" in refusal(guarded, person, X_Firebase_AppCheck=app)


def test_a_system_has_no_app(guarded: Callers) -> None:
    assert guarded.who_is_calling(a_call(signed(claims_of_a_system(), key="google"))).is_system


# --- one machine ---


@pytest.fixture
def here(keys: KeyServer) -> Callers:
    return callers_by(keys, {"UNSIGNED_TOKENS": "true"})


def test_on_one_machine_the_emulators_unsigned_token_is_enough(here: Callers) -> None:
    assert here.who_is_calling(a_call(local_token())) == Caller(owner="me")
    assert here.who_is_calling(a_call(local_token("ada", provider="anonymous"))) == Caller(
        owner="ada", is_anonymous=True
    )


def test_on_one_machine_the_other_claims_are_looked_at_all_the_same(here: Callers) -> None:
    assert "expired" in refusal(here, local_token(issued_at_s=time.time() - 7200, lifetime_s=3600))
    refusal(here, local_token(project="another-project"))
    refusal(here, local_token("system:kiosk"))
    refusal(here, "x")
    refusal(here, None)


def test_a_deployment_never_takes_what_one_machine_takes(callers: Callers, keys: KeyServer) -> None:
    refusal(callers, local_token())
    assert certificate("firebase").startswith("-----BEGIN CERTIFICATE"), "and it had keys to compare with"
    assert keys.bodies
