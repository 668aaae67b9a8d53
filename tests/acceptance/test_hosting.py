"""The page as Azure Static Web Apps will serve it: built as the workflow builds it, at Azure's own emulator.

What serves the page on one machine is held to the same answers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from local.errors import PageLeftOutError
from local.page import HOSTING, PageConfig, local_policy, page_app
from local.page_build import FRONTEND, TOOLS, install_packages
from local.processes import HOST, ChildProcess, free_port, http_ok

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: On a machine that does something else too.
PATIENCE_S: Final = 120.0
API: Final = "https://submit-abc-ew.a.run.app"
#: What the workflow tells the build where App Check is off: its two variables are not among these, and what they change
#: of the policy is tested in ``frontend/src/shared/config.test.ts``.
BUILT_FOR: Final = {"VITE_API_URL": API, "VITE_PROJECT": "life", "VITE_FIREBASE_API_KEY": "AIza-key"}
FOR_EVER: Final = "public, max-age=31536000, immutable"
A_DAY: Final = "public, max-age=86400"


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """The page at the emulator."""

    url: str
    dist: Path

    @property
    def rules(self) -> dict[str, Any]:
        """What the host was told."""
        found: dict[str, Any] = json.loads((self.dist / HOSTING).read_text("utf-8"))
        return found

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE_S)

    def asset(self, ending: str) -> str:
        """The address of a file that the build has named for its content."""
        return f"/assets/{next((self.dist / 'assets').glob(f'*{ending}')).name}"


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("hosting")
    try:
        install_packages(FRONTEND, log_path=folder / "npm.log")
        install_packages(TOOLS, log_path=folder / "npm.log")
    except PageLeftOutError as exc:
        pytest.skip(f"the emulator of the page's host is not there: {exc}")
    node = shutil.which("node")
    assert node
    dist = folder / "dist"
    build = [node, "node_modules/vite/bin/vite.js", "build", "--logLevel=error", f"--outDir={dist}"]
    subprocess.run(build, cwd=FRONTEND, env={**os.environ, **BUILT_FOR}, check=True)
    port = free_port(HOST)
    emulator = TOOLS / "node_modules/@azure/static-web-apps-cli/dist/cli/bin.js"
    argv = [
        node,
        str(emulator),
        "start",
        str(dist),
        f"--swa-config-location={dist}",
        f"--host={HOST}",
        f"--port={port}",
    ]
    child = ChildProcess(name="host's emulator", argv=argv, log_path=folder / "emulator.log", cwd=folder)
    url = f"http://{HOST}:{port}"
    with child:
        child.wait_ready(lambda: http_ok(url), timeout_s=PATIENCE_S)
        yield Hosted(url=url, dist=dist)


@pytest.mark.parametrize("path", ["/", "/films", "/gallery", "/job/0123-abc", "/shared/to.ken_1", "/?lang=de"])
def test_every_address_of_the_page_shows_the_page_and_is_asked_for_anew_each_time(hosted: Hosted, path: str) -> None:
    answer = hosted.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert "<title>Life As Not Me</title>" in answer.text
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/assets/gone-1.js", "/cards/no-such-creature.webp", "/gone.json", f"/{HOSTING}"])
def test_a_file_that_is_not_there_is_not_the_page(hosted: Hosted, path: str) -> None:
    answer = hosted.get(path)
    assert answer.status_code == 404
    assert "Life As Not Me" not in answer.text


def test_what_never_changes_is_kept_for_ever_and_what_says_where_the_page_is_never(hosted: Hosted) -> None:
    kept = {path: hosted.get(path).headers["Cache-Control"] for path in (*files(hosted), "/config.json")}
    assert kept == {
        hosted.asset(".js"): FOR_EVER,
        hosted.asset(".css"): FOR_EVER,
        hosted.asset(".woff2"): FOR_EVER,
        "/cards/curious-cat.webp": A_DAY,
        "/robots.txt": "no-cache",
        "/eye.svg": "no-cache",
        "/config.json": "no-store",
    }


def test_every_file_has_its_type(hosted: Hosted) -> None:
    kinds = {
        path.rpartition(".")[2]: hosted.get(path).headers["Content-Type"].partition(";")[0] for path in files(hosted)
    }
    assert kinds.pop("js") in {"text/javascript", "application/javascript"}
    assert kinds == {
        "css": "text/css",
        "woff2": "font/woff2",
        "webp": "image/webp",
        "txt": "text/plain",
        "svg": "image/svg+xml",
    }


@pytest.mark.parametrize("path", ["/", "/films", "/config.json", "/robots.txt", "/cards/curious-cat.webp"])
def test_whatever_is_served_is_guarded(hosted: Hosted, path: str) -> None:
    headers = hosted.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    storage = "https://storage.googleapis.com"
    google = (
        "https://firestore.googleapis.com https://identitytoolkit.googleapis.com https://securetoken.googleapis.com"
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "frame-src": "'none'",
        "style-src": "'self' 'unsafe-inline'",
        "font-src": "'self'",
        "img-src": f"'self' data: blob: {storage}",
        "media-src": f"'self' blob: {storage}",
        "connect-src": f"'self' {API} {google} {storage}",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "upgrade-insecure-requests": "",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == (
        "xr-spatial-tracking=(self), fullscreen=(self), camera=(), microphone=(), geolocation=()"
    )


def test_the_page_learns_where_the_cloud_is(hosted: Hosted) -> None:
    assert hosted.get("/config.json").json() == {
        "api": API,
        "project": "life",
        "firestore_emulator": None,
        "firebase": {"apiKey": "AIza-key", "projectId": "life", "authDomain": "life.firebaseapp.com"},
        "app_check_site_key": None,
        "local_token": None,
    }


def test_on_one_machine_the_page_is_served_as_it_is_there(hosted: Hosted) -> None:
    config = PageConfig(api=API, project="life", firestore_emulator=None, local_token=None)
    globally = hosted.rules["globalHeaders"]
    with page_app(hosted.dist, config=config).test_client() as local:
        for path in (
            *files(hosted),
            "/",
            "/films",
            "/job/0123-abc",
            "/shared/to.ken_1",
            "/assets/gone-1.js",
            "/gone.json",
        ):
            there, here = hosted.get(path), local.get(path)
            assert here.status_code == there.status_code, path
            if there.ok:  # the emulator's own page for what is missing has none of these
                wanted = {name: there.headers[name] for name in globally if name != "Strict-Transport-Security"}
                wanted["Content-Security-Policy"] = local_policy(wanted["Content-Security-Policy"])
                assert {name: here.headers.get(name) for name in wanted} == wanted, path
                assert here.data == there.content, path


def files(hosted: Hosted) -> tuple[str, ...]:
    """One of each kind."""
    named = (hosted.asset(ending) for ending in (".js", ".css", ".woff2"))
    return (*named, "/cards/curious-cat.webp", "/robots.txt", "/eye.svg")
