"""What the documentation says about the code is what the code says about itself."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from local.bundles import ROOT
from local.reference import SCHEMAS, reference
from shared.documents import Job
from shared.messages import JobRequested, RenderRequested, event_of
from shared.testing import TRACEPARENT, Clock, a_job, a_render


@pytest.mark.parametrize("path", reference())
def test_generated_documentation_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == reference()[path], "run: make docs"


def example(name: str) -> str:
    clock = Clock()
    render = a_render(now=clock.now())
    job = a_job(render, now=clock.now())
    if name == "job":
        return job.model_dump_json()
    if name == "job-event":
        return event_of(job.model_copy(update={"status": "canceled"})).model_dump_json()
    if name == "job-requested":
        message = JobRequested(request={"perspective": "night-owl", "seed": 3}, traceparent=TRACEPARENT)
        return message.model_dump_json(exclude_unset=True)
    return RenderRequested(render_key=render.render_key).model_dump_json()


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_accepts_what_the_code_writes(name: str) -> None:
    schema = json.loads((ROOT / f"docs/schemas/{name}.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)

    validator.validate(json.loads(example(name)))

    assert list(validator.iter_errors({"surprise": True})), "and refuses what it does not know"


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
