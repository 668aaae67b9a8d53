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
from tests.fuzz.cases import API_CASES, drawn, share
from tests.unit.http_world import ADA, TOKEN, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

DOCUMENT = json.loads((ROOT / openapi.PATH).read_text(encoding="utf-8"))
OPERATIONS = [(path, method) for path, calls in DOCUMENT["paths"].items() for method in calls]


def _filled(path: str, method: str) -> set[str]:
    return {name for name, value in DOCUMENT["paths"][path][method].items() if value}


def _can_vary(path: str, method: str) -> bool:
    return bool({"parameters", "requestBody"} & _filled(path, method))


#: What can be asked wrongly has something in it; the others are one case each.
DRAWN = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or _can_vary(path, method)
]
VARIED = sum(_can_vary(path, method) for path, method, _ in DRAWN)
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


GOOD_ROW = {"perspective": "night-owl"}


class Function:
    """The function ``submit``, loaded as it is deployed, over doubles; with jobs in every state."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.app = functions_framework.create_app("submit", str(ROOT / "functions/submit/main.py"), "http")
        import main  # noqa: PLC0415 - as functions-framework named it

        patch.setattr(main, "api", lambda: self.world.api)
        self._seeds = count(1_000_000)
        self.begin()

    def begin(self) -> None:
        """Have nothing in store but what `fill` makes: else quotas would soon be all that a caller meets."""
        self.world = World(BATCH_BUCKETS="wishes", QUOTA_JOBS="1000", QUOTA_OPENS_PER_ADDRESS="1000000")
        self.world.desk.manifests.put("wishes", "rows.jsonl", json.dumps(GOOD_ROW).encode())  # type: ignore[attr-defined]
        theme = {"name": "Mine", "words": "blue hour"}
        self.themes = [self.world.call("POST", "/themes", json=theme).body["id"]]
        self.fill()

    def fill(self) -> None:
        """A job of each state, and a batch."""
        world = self.world
        seeds = [next(self._seeds) for _ in range(5)]
        jobs = [world.post({"perspective": "curious-cat", "seed": seed}).body for seed in seeds]
        world.claim(jobs[1]["render_key"])
        for job, happens in ((jobs[2], world.finish), (jobs[3], world.fail)):
            world.claim(job["render_key"])
            happens(job["render_key"])
        world.call("POST", f"/jobs/{jobs[4]['job_id']}:cancel")
        batch = world.call("POST", "/batches", json={"requests": [GOOD_ROW]}).body
        self.batches = [batch["batch_id"]]
        shared = world.call("POST", f"/jobs/{jobs[2]['job_id']}:share").body
        self.tokens = [shared["links"]["shared"].rsplit("/", 1)[1]]
        self.films = [jobs[2]["render_key"]]

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
    known = {
        "job_id": function.jobs,
        "batch_id": function.batches,
        "token": function.tokens,
        "render_key": function.films,
        "theme_id": function.themes,
    }
    for name, there in known.items():
        if name in (case.path_parameters or {}) and chance.random() < 0.5:
            case.path_parameters[name] = chance.choice(there)
    if case.operation.path == "/batches" and isinstance(case.body, dict) and chance.random() < 0.8:
        case.body = _with_one_source(case.body, chance)


def _with_one_source(batch: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The document can't say that a batch has one source, nor which there are: most batches would end at that."""
    source = chance.choice(("requests", "manifest", "plan"))
    rows = [chance.choice((row, GOOD_ROW)) for row in batch.get("requests") or [GOOD_ROW]]
    good = {"requests": rows, "manifest": "gs://wishes/rows.jsonl", "plan": "fresh-takes"}
    return {name: value for name, value in batch.items() if name not in good} | {source: good[source]}


def _breaks(case: Case[Any]) -> set[str]:
    parts = [str(part) for part in (case.path_parameters or {}).values()]
    return {each for each in ("\n", "%0A") if any(each in part for part in parts)}


def is_well_formed(case: Case[Any]) -> bool:
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE


@pytest.mark.parametrize(("path", "method", "mode"), DRAWN)
def test_every_answer_is_one_that_the_document_names(
    schema: Any, function: Function, path: str, method: str, mode: GenerationMode
) -> None:
    function.begin()
    operation = schema[path][method.upper()]
    checks, chance = chosen_checks(), random.Random(8)
    seen: dict[int, int] = {}

    @drawn(API_CASES, of=VARIED)
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
    assert sum(seen.values()) >= (share(API_CASES, of=VARIED) if _can_vary(path, method) else 1), seen


def test_the_document_describes_every_route_and_no_other() -> None:
    assert set(openapi.CALLS) == {rule.endpoint for rule in ROUTES.iter_rules()}
