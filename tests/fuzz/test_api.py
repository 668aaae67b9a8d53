"""Requests of every kind, drawn from the API's document, at the function as it is deployed: served by
functions-framework, over the doubles. No answer is a 5xx, and each is one that the document names.
"""

from __future__ import annotations

import json
import random
from itertools import count
from typing import TYPE_CHECKING, Any

import functions_framework
import pytest
import schemathesis
from http_api import ROUTES
from hypothesis import given
from requests.structures import CaseInsensitiveDict
from schemathesis import GenerationMode

from local import openapi
from local.bundles import ROOT
from shared.documents import Job
from tests.fuzz.cases import API_CASES, drawn
from tests.unit.http_world import ADA, TOKEN, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

DOCUMENT = json.loads((ROOT / openapi.PATH).read_text(encoding="utf-8"))
OPERATIONS = [(path, method) for path, calls in DOCUMENT["paths"].items() for method in calls]


def _filled(path: str, method: str) -> set[str]:
    return {name for name, value in DOCUMENT["paths"][path][method].items() if value}


#: What can be asked wrongly has something in it.
DRAWN = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & _filled(path, method)
]
#: Not that all is granted that the document allows: some of it the deployment decides.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


class Function:
    """The function ``submit``, loaded as it is deployed, over doubles; with jobs in every state."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.world = World(BATCH_BUCKETS="wishes")
        self.app = functions_framework.create_app("submit", str(ROOT / "functions/submit/main.py"), "http")
        import main  # noqa: PLC0415 - as functions-framework named it

        patch.setattr(main, "api", lambda: self.world.api)
        self._seeds = count(1_000_000)
        self.fill()

    def fill(self) -> None:
        """A job of each state, and a batch."""
        world = self.world
        for job_id in self._ids():  # what was wished for in between has used up the quota
            world.call("POST", f"/jobs/{job_id}:cancel")
        seeds = [next(self._seeds) for _ in range(5)]
        jobs = [world.post({"perspective": "curious-cat", "seed": seed}).body for seed in seeds]
        world.claim(jobs[1]["render_key"])
        for job, happens in ((jobs[2], world.finish), (jobs[3], world.fail)):
            world.claim(job["render_key"])
            happens(job["render_key"])
        world.call("POST", f"/jobs/{jobs[4]['job_id']}:cancel")
        body = json.dumps({"requests": [{"perspective": "night-owl"}]})
        batch = world.call("POST", "/batches", data=body, content_type="application/json").body
        self.batches = [batch["batch_id"]]
        shared = world.call("POST", f"/jobs/{jobs[2]['job_id']}:share").body
        self.tokens = [shared["links"]["shared"].rsplit("/", 1)[1]]

    @property
    def jobs(self) -> list[str]:
        """Ids of those that there are now."""
        if len(self._ids()) < 5:
            self.fill()
        return self._ids()

    def _ids(self) -> list[str]:
        return sorted(key for kind, key in self.world.store._documents if kind is Job)


@pytest.fixture(scope="module")
def function() -> Iterator[Function]:
    with pytest.MonkeyPatch.context() as patch:
        yield Function(patch)


@pytest.fixture(scope="module")
def schema() -> Any:
    return schemathesis.openapi.from_dict(DOCUMENT)


def chosen_checks() -> list[Any]:
    from schemathesis.checks import CHECKS as KNOWN  # noqa: PLC0415

    return [check for check in KNOWN.get_all() if check.__name__ in CHECKS]


def aim(case: Case[Any], function: Function, chance: random.Random) -> None:
    """Half of the ids that are drawn would find nothing: name what is there."""
    for name, known in (("job_id", function.jobs), ("batch_id", function.batches), ("token", function.tokens)):
        if name in (case.path_parameters or {}) and known and chance.random() < 0.5:
            case.path_parameters[name] = chance.choice(known)


def _breaks(case: Case[Any]) -> set[str]:
    parts = [str(part) for part in (case.path_parameters or {}).values()]
    return {each for each in ("\n", "%0A") if any(each in part for part in parts)}


def is_well_formed(case: Case[Any]) -> bool:
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE


@pytest.mark.parametrize(("path", "method", "mode"), DRAWN)
def test_every_answer_is_one_that_the_document_names(
    schema: Any, function: Function, path: str, method: str, mode: GenerationMode
) -> None:
    operation = schema[path][method.upper()]
    checks, chance = chosen_checks(), random.Random(8)
    seen: dict[int, int] = {}

    @drawn(API_CASES, of=len(DRAWN))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        if is_well_formed(case):
            aim(case, function, chance)
        bearer = f"Bearer {TOKEN}" if path == "/queue" else function.world.bearer(ADA)
        case.headers = CaseInsensitiveDict({**dict(case.headers or {}), "Authorization": bearer})
        response = case.call(app=function.app, base_url="http://localhost")
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        if {"\n", "%0A"} & _breaks(case):
            assert response.status_code == 404, "functions-framework finds no function there, and says so by itself"
            return
        case.validate_response(response, checks=checks)

    ask()
    assert seen


def test_the_document_describes_every_route_and_no_other() -> None:
    assert set(openapi.CALLS) == {rule.endpoint for rule in ROUTES.iter_rules()}
