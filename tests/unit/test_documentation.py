"""What the documentation says about the code is what the code says about itself."""

from __future__ import annotations

import io
import json
import re
from typing import Any, get_args

import fastavro
import jsonschema
import pytest
from avro_requests import job_requested_schema, plain_json

from local import telemetry_page
from local.bundles import ROOT
from local.reference import BATCH_VIEW, SCHEMAS, reference
from shared.batches import Batch, Cursor, Manifest, RowFault, new_batch, placed, rows_path
from shared.documents import Job, Stage
from shared.errors import Rejected
from shared.measures import Phase, SpanName
from shared.messages import BatchChunk, JobRequested, Message, PlanScheduled, RenderRequested, decode, event_of
from shared.requests import MAX_SEED, Priority, Request, parse_request
from shared.testing import AN_OFFER, TRACEPARENT, Clock, a_job, a_render
from tests.unit.http_world import World


@pytest.mark.parametrize("path", reference())
def test_generated_documentation_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == reference()[path], "run: make docs"


def examples() -> dict[str, str]:
    """What the code writes, by the name of its schema."""
    clock = Clock()
    render = a_render(now=clock.now())
    job = a_job(render, now=clock.now())
    message = JobRequested(request={"perspective": "night-owl", "seed": 3}, traceparent=TRACEPARENT)
    batch = new_batch(
        batch_id="batch-0001",
        owner="ada",
        source="plan",
        plan="fresh-takes",
        manifest=Manifest(bucket="videos", name=rows_path("batch-0001", b""), generation=1, size_bytes=1),
        atomic=False,
        priority=Priority.BULK,
        fingerprint="",
        now=clock.now(),
        traceparent=TRACEPARENT,
    )
    fault = RowFault(field="seed", code="missing", message="", row=1)
    batch = placed(batch, cursor=Cursor(row=1, offset=9), jobs=0, faults=[fault], now=clock.now())
    return {
        "batch": batch.model_dump_json(),
        "batch-chunk": BatchChunk(batch_id="batch-0001", cursor=1).model_dump_json(),
        "job": job.model_dump_json(),
        "job-event": event_of(job.model_copy(update={"status": "canceled"})).model_dump_json(),
        "job-requested": message.model_dump_json(exclude_unset=True),
        "plan-scheduled": PlanScheduled(plan="fresh-takes", every="week").model_dump_json(),
        "render-requested": RenderRequested(render_key=render.render_key).model_dump_json(),
    }


def validator_of(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((ROOT / f"docs/schemas/{name}.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    return validator


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_accepts_what_the_code_writes(name: str) -> None:
    validator = validator_of(name)

    validator.validate(json.loads(examples()[name]))

    assert list(validator.iter_errors({"surprise": True})), "and refuses what it does not know"


def test_every_message_has_a_published_schema() -> None:
    assert set(get_args(Message)) <= set(SCHEMAS.values())


def test_a_batch_as_the_api_shows_it_is_what_its_schema_says() -> None:
    world, validator = World(), validator_of("batch")

    accepted = world.call("POST", "/batches", data=b'{"plan": "fresh-takes"}', content_type="application/json")
    location = accepted.headers["Location"]
    shown = world.get(location)
    canceled = world.call("POST", f"{location}:cancel")

    for answer in (accepted, shown, canceled):
        validator.validate(answer.body)
    assert set(shown.body) == {*Batch.model_fields, *BATCH_VIEW} - {"paused_until"}, "and nothing in it is never shown"


@pytest.mark.parametrize(
    "wish",
    [
        {"perspective": "curious-cat"},
        {
            "perspective": "curious-cat",
            "prompt": "a moth",
            "theme": "rainy-night",
            "seed": MAX_SEED,
            "model": "pocket",
            "size": "256x256",
            "seconds": 2,
            "priority": "bulk",
        },
        {},
        {"perspective": None},
        {"perspective": "curious-cat", "prompt": "x" * 1001},
        {"perspective": "curious-cat", "seed": -1},
        {"perspective": "curious-cat", "seed": MAX_SEED + 1},
        {"perspective": "curious-cat", "seed": "1"},
        {"perspective": "curious-cat", "seconds": "1"},
        {"perspective": "curious-cat", "priority": "soon"},
        {"perspective": "curious-cat", "priority": None},
        {"perspective": "curious-cat", "fps": 24},
    ],
)
def test_a_publisher_can_check_a_wish_with_the_schema_as_the_intake_will(wish: dict[str, Any]) -> None:
    """All but what depends on the catalogues and on the deployment."""
    try:
        parse_request(json.dumps(wish), offer=AN_OFFER)
        is_good = True
    except Rejected:
        is_good = False

    assert validator_of("job-requested").is_valid({"request": wish}) == is_good


def test_the_messages_that_publishers_are_shown_are_good_ones() -> None:
    page = (ROOT / "docs/publishing.md").read_text(encoding="utf-8")
    plain, avro = re.findall(
        r"^(?:data +)?(\{\"schema_version\": 1, \"job_id\".*?\}\}+)$", page, re.MULTILINE | re.DOTALL
    )
    validator_of("job-requested").validate(json.loads(plain))

    wish = decode(JobRequested, plain_json(avro.encode(), encoding="JSON"))

    assert wish.job_id == decode(JobRequested, plain.encode()).job_id
    assert parse_request(json.dumps(wish.request), offer=AN_OFFER).priority is Priority.BULK
    read: Any
    [read] = fastavro.json_reader(io.StringIO(avro.replace("\n", "")), job_requested_schema())
    assert read["request"] == dict.fromkeys(Request.model_fields) | wish.request


def test_the_job_document_is_what_clients_see() -> None:
    schema = json.loads((ROOT / "docs/schemas/job.json").read_text(encoding="utf-8"))

    assert set(schema["properties"]) == set(Job.model_fields)


def test_the_readme_names_only_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert named <= targets


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)} → {target}"
        for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_every_span_and_every_phase_is_explained() -> None:
    named = {value for name, value in vars(SpanName).items() if name.isupper()}
    assert set(telemetry_page.SPANS) == named
    assert set(telemetry_page.PHASES) == set(Phase)
    assert {stage.value for stage in Stage} <= named
