"""Who sees what of the running system: over the API, in a browser's database, and by a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from local.tokens import HERE, PROJECT, local_headers

if TYPE_CHECKING:
    from tests.acceptance.conftest import Observer

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators, pytest.mark.render]


def get(url: str, *, uid: str | None) -> requests.Response:
    return requests.get(url, headers=local_headers(uid) if uid else {}, timeout=30)


def test_a_job_is_its_owners_until_they_share_it_and_again_when_they_stop(observer: Observer) -> None:
    job_id = observer.post({"perspective": "curious-cat", "prompt": "a moth at the lamp", "seed": 71}).json()["job_id"]
    job = observer.final_job(job_id)
    assert (job["owner"], job["status"]) == (HERE, "completed")
    api, rules = observer.stack.api_url, observer.stack.env["FIRESTORE_EMULATOR_HOST"]
    document = f"http://{rules}/v1/projects/{PROJECT}/databases/(default)/documents/jobs/{job_id}"

    for url, not_let_in in ((f"{api}/jobs/{job_id}", (404, 401)), (document, (403, 403))):
        statuses = [get(url, uid=uid).status_code for uid in (HERE, "mallory", None)]
        assert statuses == [200, *not_let_in], url

    shared = requests.post(f"{api}/jobs/{job_id}:share", headers=local_headers(), timeout=30).json()["links"]["shared"]
    shown = get(f"{api}{shared}", uid=None)
    link = get(f"{api}{shown.json()['links']['video']}", uid=None).json()["url"]
    assert b"moth" not in shown.content
    assert requests.get(link, timeout=30).content[4:8] == b"ftyp", "the video itself, for anyone"
    assert get(f"{api}/jobs/{job_id}", uid="mallory").status_code == 404, "the job stays its owner's"

    assert requests.post(f"{api}/jobs/{job_id}:unshare", headers=local_headers(), timeout=30).status_code == 200
    assert get(f"{api}{shared}", uid=None).status_code == 404
