"""The page in a browser, on the whole system: a wish, its film, and what one sees when something is away.

The stories are in ``frontend/e2e``; whatever they ask to be done to the system is done here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud import firestore
from PIL import Image

from cli.here import MODELS_DIR
from local.emulator_finder import find_emulators
from local.errors import PageBrokenError, PageLeftOutError
from local.page import PageConfig, serve_page
from local.page_build import FRONTEND, TOOLS, built_page, install_packages
from local.processes import HOST, free_port
from local.stack import LocalStack, StackOptions
from local.tokens import PROJECT, local_token
from shared.documents import JobError
from shared.errors import ErrorCode
from shared.job_store import Replace
from shared.job_store.firestore import FirestoreJobStore
from shared.jobs import fail_render
from shared.publisher.memory import InMemoryPublisher
from shared.settling import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.job_store import JobStore

#: Pictures of the page go there when it is set: how those of docs/pictures/page are made.
SHOTS = os.environ.get("PAGE_SHOTS")
STORY_S = 900
#: How many of them `looks.mjs` has.
STATES = 18
#: Of WebP: text stays sharp, and a picture has some 20 KB.
QUALITY = 60


@dataclass(frozen=True, kw_only=True)
class Site:
    """A page and the system behind it."""

    stack: LocalStack
    store: JobStore
    url: str
    chromium: str


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("needs Chromium: on Debian, apt-get install chromium")
    folder = tmp_path_factory.mktemp("page")
    try:
        dist = built_page(log_path=folder / "page.log", say=lambda _what: None)
    except PageBrokenError:
        raise
    except PageLeftOutError as exc:
        pytest.skip(f"the page is left out: {exc}")
    if not (FRONTEND / "node_modules" / "playwright-core").is_dir():
        pytest.skip("needs the page's packages: npm ci in frontend/")
    port = free_port(HOST)
    options = StackOptions(run_dir=folder, models_dir=MODELS_DIR, cors_origins=(f"http://{HOST}:{port}",))
    with LocalStack(options, binaries=find_emulators(download=True)) as stack, pytest.MonkeyPatch.context() as patch:
        for name, value in stack.env.items():
            patch.setenv(name, value)
        config = PageConfig(
            api=stack.api_url,
            project=PROJECT,
            firestore_emulator=stack.env["FIRESTORE_EMULATOR_HOST"],
            local_token=local_token(),
        )
        client = firestore.Client(project=PROJECT)
        with serve_page(dist, port=port, config=config) as url:
            yield Site(stack=stack, store=FirestoreJobStore(client), url=url, chromium=chromium)
        client.close()


def told(site: Site, story: str, shots: Path, **wishes: str) -> str:
    """Tell a story; what it says: nothing when all went well. ``wishes`` are in its environment."""
    env = {**os.environ, "PAGE_URL": site.url, "CHROMIUM": site.chromium, "SHOTS": str(shots), **wishes}
    with subprocess.Popen(
        ["node", f"{story}.mjs"],
        cwd=FRONTEND,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as teller:
        assert teller.stdin
        assert teller.stdout
        limit = threading.Timer(STORY_S, teller.kill)
        limit.start()
        said = ""
        try:
            for line in teller.stdout:
                if line.startswith("ask "):
                    do(json.loads(line.removeprefix("ask ")), site)
                    teller.stdin.write("done\n")
                    teller.stdin.flush()
                else:
                    said += line
        finally:
            limit.cancel()
            teller.kill()
    return said


def do(asked: dict[str, Any], site: Site) -> None:
    """What a story wants to happen."""
    if "stop_workers" in asked:
        site.stack.stop_workers()
    if "fail" in asked:
        fail(asked["fail"], site.store)


def fail(job_id: str, store: JobStore) -> None:
    """What a worker does that gives up; nobody else works any more."""
    job = store.job(job_id)
    assert job
    assert job.value.render_key
    render = store.render(job.value.render_key)
    assert render
    error = JobError(code=ErrorCode.RENDER_FAILED, message="The GPU ran out of memory, and out of memory again.")
    failed = fail_render(render.value, error=error, now=now())
    store.commit(Replace(stored=render, value=failed))
    stored = store.render(failed.render_key)
    assert stored
    settle(stored, store=store, publisher=InMemoryPublisher(), now=now)


def keep(shots: Path) -> None:
    """For the documentation."""
    if SHOTS is None:
        return
    Path(SHOTS).mkdir(parents=True, exist_ok=True)
    for path in shots.glob("*.png"):
        with Image.open(path) as picture:
            picture.convert("RGB").save(Path(SHOTS) / f"{path.stem}.webp", quality=QUALITY, method=6)


def test_a_wish_becomes_a_film_that_plays_is_compared_and_found_again_and_another_is_canceled(
    site: Site, tmp_path: Path
) -> None:
    assert told(site, "e2e/film", tmp_path) == ""


def test_one_steps_into_the_film_with_a_headset_and_without_one(site: Site, tmp_path: Path) -> None:
    said = told(site, "e2e/inside", tmp_path)
    keep(tmp_path)
    assert said == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_is_free_of_faults_for_who_can_not_see_on_a_phone_and_on_a_desktop(
    site: Site, tmp_path: Path, scheme: str
) -> None:
    said = told(site, "e2e/looks", tmp_path, SCHEME=scheme)
    keep(tmp_path)
    assert said == ""
    assert len(list(tmp_path.glob("*.png"))) == STATES * 2


def test_lighthouse_gives_every_page_all_points_but_for_speed_which_it_is_not_asked_for(
    site: Site, tmp_path: Path
) -> None:
    try:
        install_packages(TOOLS, log_path=tmp_path / "npm.log")
    except PageLeftOutError as exc:
        pytest.skip(f"Lighthouse is not there: {exc}")
    said = told(site, "tools/scores", tmp_path, PATHS=json.dumps(["/", "/films", "/gallery"]))
    judged = [json.loads(line) for line in said.splitlines()]
    best = {"accessibility": 100, "best-practices": 100, "seo": 100}
    assert [(each["path"], each["scores"], each["faults"]) for each in judged] == [
        (path, best, []) for path in ("/", "/films", "/gallery")
    ]


def test_when_something_is_away_or_fails_it_is_said_and_the_words_are_still_there(site: Site, tmp_path: Path) -> None:
    assert told(site, "e2e/trouble", tmp_path) == ""
