"""What a browser may do to the database, by the rules that are deployed, on Google's own emulator."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.cloud import firestore

from local.emulators import RunningEmulator, start_firestore
from tests.cloud.terraform_code import TERRAFORM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.emulator_finder import EmulatorBinaries

pytestmark = pytest.mark.emulators

FORBIDDEN = 403


@pytest.fixture(scope="module")
def guarded(binaries: EmulatorBinaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """Firestore that keeps to the rules."""
    log = tmp_path_factory.mktemp("logs") / "firestore.log"
    emulator = start_firestore(binaries, log_path=log, rules=TERRAFORM / "firestore.rules")
    with emulator.process:
        emulator.wait_ready()
        yield emulator


class Browser:
    """Somebody who has signed in, or has not, over Firestore's REST form."""

    def __init__(self, documents: str, *, uid: str | None) -> None:
        self._documents = documents
        self._headers = {"Authorization": f"Bearer {_token(uid)}"} if uid else {}

    def get(self, path: str) -> int:
        return requests.get(f"{self._documents}/{path}", headers=self._headers, timeout=10).status_code

    def list_jobs(self, *, owner: str | None) -> int:
        query: dict[str, Any] = {"from": [{"collectionId": "jobs"}]}
        if owner:
            equal = {"field": {"fieldPath": "owner"}, "op": "EQUAL", "value": {"stringValue": owner}}
            query["where"] = {"fieldFilter": equal}
        body = {"structuredQuery": query}
        return requests.post(f"{self._documents}:runQuery", json=body, headers=self._headers, timeout=10).status_code

    def change(self, path: str, **fields: str) -> int:
        body = {"fields": {name: {"stringValue": text} for name, text in fields.items()}}
        return requests.patch(f"{self._documents}/{path}", json=body, headers=self._headers, timeout=10).status_code

    def delete(self, path: str) -> int:
        return requests.delete(f"{self._documents}/{path}", headers=self._headers, timeout=10).status_code


def _token(uid: str) -> str:
    """A Firebase ID token as the emulator takes it: unsigned."""

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'sub': uid, 'user_id': uid, 'iat': 0})}."


@pytest.fixture
def documents(guarded: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project with a job of Ada's, one of Bob's, a render and a batch, written as the functions write."""
    monkeypatch.setenv(guarded.env_name, guarded.endpoint)
    project = f"test-{uuid.uuid4().hex[:20]}"
    client = firestore.Client(project=project)
    for path, owner in {"jobs/ada-0001": "ada", "jobs/bob-0001": "bob", "batches/ada-0001": "ada"}.items():
        client.document(path).set({"owner": owner, "status": "queued"})
    client.document("renders/0001").set({"state": "idle", "owner": "ada"})
    return f"http://{guarded.endpoint}/v1/projects/{project}/databases/(default)/documents"


def test_a_person_reads_their_own_jobs(documents: str) -> None:
    ada = Browser(documents, uid="ada")

    assert ada.get("jobs/ada-0001") == 200
    assert ada.list_jobs(owner="ada") == 200


def test_nobody_reads_the_jobs_of_others(documents: str) -> None:
    ada, nobody = Browser(documents, uid="ada"), Browser(documents, uid=None)

    assert ada.get("jobs/bob-0001") == FORBIDDEN
    assert ada.list_jobs(owner="bob") == FORBIDDEN
    assert ada.list_jobs(owner=None) == FORBIDDEN
    assert nobody.get("jobs/ada-0001") == FORBIDDEN
    assert nobody.list_jobs(owner="ada") == FORBIDDEN


@pytest.mark.parametrize("uid", ["ada", "bob", None])
@pytest.mark.parametrize("path", ["jobs/ada-0001", "jobs/new-0001", "renders/0001", "batches/ada-0001", "owners/ada"])
def test_nobody_writes_anything(documents: str, path: str, uid: str | None) -> None:
    browser = Browser(documents, uid=uid)

    assert browser.change(path, owner="ada", status="completed") == FORBIDDEN
    assert browser.delete(path) == FORBIDDEN


@pytest.mark.parametrize("path", ["renders/0001", "batches/ada-0001", "owners/ada", "owners/ada/slots/1"])
def test_nothing_else_is_read(documents: str, path: str) -> None:
    assert Browser(documents, uid="ada").get(path) == FORBIDDEN


def test_the_service_itself_is_not_asked(documents: str) -> None:
    project = documents.split("/")[5]

    assert firestore.Client(project=project).document("renders/0001").get().exists
