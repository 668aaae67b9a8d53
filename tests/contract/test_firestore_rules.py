"""What a browser may do to the database, by the rules that are deployed, on Google's own emulator."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.cloud import firestore

from local.emulators import RunningEmulator, start_firestore
from local.stack import RULES
from local.tokens import local_token
from tests.cloud.terraform_code import TERRAFORM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.emulator_finder import EmulatorBinaries

pytestmark = pytest.mark.emulators

OK, FORBIDDEN, NO_TOKEN = 200, 403, 400
PATHS = [
    "jobs/ada-0001",
    "jobs/new-0001",
    "renders/0001",
    "batches/ada-0001",
    "owners/ada",
    "owners/ada/slots/1",
    "jobs/ada-0001/notes/1",
    "elsewhere/1",
]


@pytest.fixture(scope="module")
def guarded(binaries: EmulatorBinaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """Firestore that keeps to the rules."""
    log = tmp_path_factory.mktemp("logs") / "firestore.log"
    emulator = start_firestore(binaries, log_path=log, rules=RULES)
    with emulator.process:
        emulator.wait_ready()
        yield emulator


class Browser:
    """Somebody with a token, or with none, over Firestore's REST form."""

    def __init__(self, documents: str, *, token: str | None) -> None:
        self._documents = documents
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str) -> int:
        return requests.get(f"{self._documents}/{path}", headers=self._headers, timeout=10).status_code

    def list(self, collection: str = "jobs", **equal: str) -> tuple[int, list[str]]:
        """Status, and the ids of what was found where these fields have these values."""
        query: dict[str, Any] = {"from": [{"collectionId": collection}]}
        if equal:
            filters = [
                {"fieldFilter": {"field": {"fieldPath": name}, "op": "EQUAL", "value": {"stringValue": text}}}
                for name, text in equal.items()
            ]
            query["where"] = {"compositeFilter": {"op": "AND", "filters": filters}}
        answer = requests.post(
            f"{self._documents}:runQuery", json={"structuredQuery": query}, headers=self._headers, timeout=10
        )
        found = [each["document"]["name"] for each in answer.json() if "document" in each] if answer.ok else []
        return answer.status_code, sorted(name.rsplit("/", 1)[1] for name in found)

    def change(self, path: str, **fields: str) -> int:
        body = {"fields": {name: {"stringValue": text} for name, text in fields.items()}}
        return requests.patch(f"{self._documents}/{path}", json=body, headers=self._headers, timeout=10).status_code

    def delete(self, path: str) -> int:
        return requests.delete(f"{self._documents}/{path}", headers=self._headers, timeout=10).status_code


@pytest.fixture
def documents(guarded: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project with jobs of Ada's, Bob's and a system's, renders and batches, written as the functions write."""
    monkeypatch.setenv(guarded.env_name, guarded.endpoint)
    project = f"test-{uuid.uuid4().hex[:20]}"
    client = firestore.Client(project=project)
    later, before = (datetime.now(UTC) + timedelta(days=days) for days in (30, -1))
    for name, owner, expires_at in (
        ("ada-0001", "ada", later),
        ("ada-0002", "ada", later),
        ("ada-expired", "ada", before),
        ("bob-0001", "bob", later),
        ("kiosk-0001", "system:kiosk", later),
    ):
        job = {"owner": owner, "status": "completed", "expires_at": expires_at, "share_token": f"shared-{name}"}
        client.document(f"jobs/{name}").set(job)
    for path in ("batches/ada-0001", "renders/0001", "owners/ada", "owners/ada/slots/1", "jobs/ada-0001/notes/1"):
        client.document(path).set({"owner": "ada", "expires_at": later})
    return f"http://{guarded.endpoint}/v1/projects/{project}/databases/(default)/documents"


def somebody(documents: str, uid: str = "ada", *, provider: str = "google.com", **how: Any) -> Browser:
    project = documents.split("/")[5]
    return Browser(documents, token=local_token(uid, **{"project": project, "provider": provider, **how}))


def test_the_rules_that_are_tested_are_those_that_are_deployed_and_that_the_local_stack_has() -> None:
    assert RULES == TERRAFORM / "firestore.rules"
    assert 'file("${path.module}/firestore.rules")' in (TERRAFORM / "firestore.tf").read_text("utf-8")


@pytest.mark.parametrize("provider", ["google.com", "password", "anonymous"])
def test_a_person_reads_their_own_jobs_with_a_name_or_without(documents: str, provider: str) -> None:
    ada = somebody(documents, provider=provider)

    assert ada.get("jobs/ada-0001") == OK
    assert ada.list(owner="ada") == (OK, ["ada-0001", "ada-0002", "ada-expired"])


@pytest.mark.parametrize("provider", ["google.com", "anonymous"])
@pytest.mark.parametrize("name", ["bob-0001", "kiosk-0001", "nobodys-job"])
def test_nobody_reads_the_jobs_of_others_or_learns_whether_there_are_any(
    documents: str, name: str, provider: str
) -> None:
    assert somebody(documents, provider=provider).get(f"jobs/{name}") == FORBIDDEN


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"owner": "bob"},
        {"owner": "system:kiosk"},
        {"status": "completed"},
        {"share_token": "shared-bob-0001"},
        {"share_token": "shared-ada-0001"},
        {"owner": "bob", "status": "completed"},
    ],
    ids=str,
)
def test_a_list_is_refused_unless_it_asks_for_ones_own(documents: str, where: dict[str, str]) -> None:
    assert somebody(documents).list(**where) == (FORBIDDEN, [])


def test_no_person_is_a_system_whatever_a_token_calls_them(documents: str) -> None:
    kiosk = somebody(documents, "system:kiosk")

    assert kiosk.get("jobs/kiosk-0001") == FORBIDDEN
    assert kiosk.list(owner="system:kiosk") == (FORBIDDEN, [])


def test_ones_own_list_may_ask_for_less(documents: str) -> None:
    assert somebody(documents).list(owner="ada", share_token="shared-ada-0002") == (OK, ["ada-0002"])


def test_a_job_that_has_expired_is_not_read_although_it_is_still_there(documents: str) -> None:
    project = documents.split("/")[5]

    assert firestore.Client(project=project).document("jobs/ada-expired").get().exists
    assert somebody(documents).get("jobs/ada-expired") == FORBIDDEN


def test_who_has_no_token_reads_nothing(documents: str) -> None:
    nobody = Browser(documents, token=None)

    assert nobody.get("jobs/ada-0001") == FORBIDDEN
    assert nobody.list(owner="ada") == nobody.list() == nobody.list(share_token="shared-ada-0001") == (FORBIDDEN, [])


@pytest.mark.parametrize("token", ["x", "a.b.c", "null"])
def test_what_is_no_token_is_refused(documents: str, token: str) -> None:
    assert Browser(documents, token=token).get("jobs/ada-0001") == NO_TOKEN


@pytest.mark.parametrize("claims", [{"sub": "", "user_id": ""}, {"sub": None, "user_id": None}], ids=str)
def test_a_token_of_nobody_is_nobody(documents: str, claims: dict[str, Any]) -> None:
    assert somebody(documents, **claims).get("jobs/ada-0001") in {FORBIDDEN, NO_TOKEN}


@pytest.mark.parametrize(
    "claims",
    [
        {"owner": "ada"},
        {"admin": True},
        {"email": "ada@example.com", "email_verified": True},
        {"role": "owner"},
        {"firebase": {"sign_in_provider": "custom", "identities": {"email": ["ada"]}}},
    ],
    ids=str,
)
def test_no_other_claim_of_a_token_makes_somebody_ada(documents: str, claims: dict[str, Any]) -> None:
    mallory = somebody(documents, "mallory", **claims)

    assert mallory.get("jobs/ada-0001") == FORBIDDEN
    assert mallory.list(owner="ada") == (FORBIDDEN, [])
    assert mallory.change("jobs/ada-0001", owner="mallory") == FORBIDDEN


@pytest.mark.parametrize(
    "how",
    [
        {"issued_at_s": time.time() - 90_000, "lifetime_s": 3600},
        {"issued_at_s": time.time() + 90_000},
        {"project": "another-project"},
    ],
    ids=["expired", "not yet", "of another project"],
)
def test_the_emulator_believes_what_the_cloud_verifies(documents: str, how: dict[str, Any]) -> None:
    """It looks at no time, project or signature, so that rules have to be enough once it is known who asks.

    What the cloud refuses before it asks the rules, the API refuses here: tests/unit/test_callers.py.
    """
    stale = somebody(documents, **how)

    assert stale.get("jobs/ada-0001") == OK, "if not, the emulator verifies by now: say so in local/emulators.py"
    assert stale.get("jobs/bob-0001") == FORBIDDEN
    assert stale.change("jobs/ada-0001", owner="ada") == FORBIDDEN


@pytest.mark.parametrize("uid", ["ada", "bob", None])
@pytest.mark.parametrize("path", PATHS)
def test_nobody_writes_anything(documents: str, path: str, uid: str | None) -> None:
    browser = somebody(documents, uid) if uid else Browser(documents, token=None)

    assert browser.change(path, owner="ada", status="completed") == FORBIDDEN
    assert browser.delete(path) == FORBIDDEN


@pytest.mark.parametrize("path", [each for each in PATHS if each != "jobs/ada-0001"])
def test_nothing_else_is_read(documents: str, path: str) -> None:
    assert somebody(documents).get(path) == FORBIDDEN


@pytest.mark.parametrize("collection", ["renders", "batches", "owners", "slots", "notes"])
def test_nothing_else_is_listed_not_even_as_ones_own(documents: str, collection: str) -> None:
    assert somebody(documents).list(collection, owner="ada") == (FORBIDDEN, [])
    assert somebody(documents).list(collection) == (FORBIDDEN, [])


def test_the_service_itself_is_not_asked(documents: str) -> None:
    project = documents.split("/")[5]

    assert firestore.Client(project=project).document("renders/0001").get().exists
