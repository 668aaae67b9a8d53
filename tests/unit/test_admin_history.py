"""What `inspect` finds out about a job."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from cli.admin.history import History, history_of, log_command
from cli.admin.history_view import view
from shared.artifact_paths import poster_path, video_path
from shared.testing import put_video
from tests.unit.admin_world import LEASE_S, World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world() -> World:
    return World()


def history(world: World, job_id: str = "job-0001", *, log_dir: Path | None = None) -> History:
    return history_of(
        world.job(job_id),
        where="here",
        store=world.store,
        artifacts=world.artifacts,
        log_dir=log_dir,
        logs="ask somebody",
    )


def drawn(found: History) -> str:
    out = io.StringIO()
    Console(width=300, file=out).print(view(found))
    return out.getvalue()


def render_key(world: World, job_id: str = "job-0001") -> str:
    key = world.job(job_id).value.render_key
    assert key
    return key


def test_a_job_that_is_being_made_has_a_lease_and_others_beside_it(world: World) -> None:
    world.wish()
    world.wish("job-0002", owner="ada")
    world.claim(render_key(world))

    found = history(world)

    assert found.lease_left_s == LEASE_S
    assert found.also_waiting == 1
    assert found.event == "not final"
    assert found.render
    assert (found.render["holder"], found.render["token"], found.render["attempts"]) == ("worker-a", 1, 1)
    assert found.logs == "ask somebody"


def test_the_objects_of_its_render_are_listed(world: World) -> None:
    world.wish()
    key = render_key(world)
    world.artifacts.create(poster_path(key, "1-worker-a"), b"poster", content_type="image/jpeg")
    put_video(world.artifacts, key)

    assert [each.name for each in history(world).objects] == [poster_path(key, "1-worker-a"), video_path(key)]


def test_what_happened_comes_in_the_order_of_its_times(world: World) -> None:
    world.wish()
    world.clock.pass_s(5)
    world.claim(render_key(world))
    world.clock.pass_s(5)
    world.break_render(render_key(world))

    moments = history(world).moments

    assert [each.at for each in moments] == sorted(each.at for each in moments)
    assert [(each.source, each.what) for each in moments][-1] in {("job", "failed"), ("render", "failed")}
    [failed] = [each for each in moments if (each.source, each.what) == ("job", "failed")]
    assert failed.details == {"code": "render_failed", "why": "The decoder broke."}
    assert history(world).event == "published"


def test_the_words_of_a_person_and_what_opens_a_link_are_left_out(world: World) -> None:
    world.wish(prompt="my secret garden")
    found = history(world)

    assert "secret" not in found.model_dump_json()
    assert "secret" not in drawn(found)
    assert isinstance(found.render, dict)
    spec = found.render["spec"]
    assert isinstance(spec, dict)
    assert str(spec["prompt"]).endswith("characters)")


def test_the_lines_of_every_process_that_name_it_are_read(world: World, tmp_path: Path) -> None:
    world.wish()
    key = render_key(world)
    lines = [
        {"time": "2026-01-01T00:00:01+00:00", "message": "job accepted", "job_id": "job-0001", "action": "submit"},
        {"time": "2026-01-01T00:00:02+00:00", "message": "another", "job_id": "job-0002", "action": "submit"},
    ]
    (tmp_path / "submit.log").write_text("\n".join([*map(json.dumps, lines), f"GET /jobs/{key}", "{broken job-0001"]))
    raised = {"time": "2026-01-01T00:00:03+00:00", "message": "attempt failed", "render_key": key, "attempt": "1-w"}
    raised["exc_info"] = "Traceback\n  line\nValueError: no frames"
    (tmp_path / "worker-1.log").write_text(json.dumps(raised))

    found = history(world, log_dir=tmp_path)

    assert found.logs is None
    logged = [each for each in found.moments if each.source in {"submit", "worker-1"}]
    assert [(each.source, each.what) for each in logged] == [("submit", "job accepted"), ("worker-1", "attempt failed")]
    assert logged[1].details == {"attempt": "1-w", "exc_info": "ValueError: no frames"}
    assert "no frames" in drawn(found)


def test_logs_in_the_cloud_are_one_command_away(world: World) -> None:
    job = world.wish().value

    command = log_command(job, project="my-project")

    assert command.startswith("gcloud logging read '")
    for part in (job.job_id, str(job.render_key), "--project=my-project"):
        assert part in command


def test_the_json_is_the_history(world: World) -> None:
    world.wish()
    found = history(world)

    assert History.model_validate_json(found.model_dump_json()) == found


def test_the_screen_says_what_an_operator_looks_for(world: World) -> None:
    world.wish()
    world.claim(render_key(world))

    text = drawn(history(world))

    for words in ("job-0001", "queued", "worker-a", "60 s left", "nothing", "ask somebody", "accepted"):
        assert words in text
