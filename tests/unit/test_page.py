"""The page on one machine: its files under the rules of its host, and where it learns of the system."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import requests

from local.errors import PageBrokenError, PageLeftOutError
from local.page import PageConfig, local_policy, page_app, serve_page
from local.page_build import built_page, node_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

HOSTING = {
    "navigationFallback": {"rewrite": "/index.html", "exclude": ["/assets/*", "/*.{json,svg,js}"]},
    "routes": [
        {"route": "/assets/*", "headers": {"Cache-Control": "public, max-age=31536000, immutable"}},
        {"route": "/config.json", "headers": {"Cache-Control": "no-store"}},
    ],
    "globalHeaders": {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "default-src 'none'; connect-src 'self' https://a.ex; upgrade-insecure-requests",
        "Strict-Transport-Security": "max-age=63072000",
        "X-Content-Type-Options": "nosniff",
    },
}
CONFIG = PageConfig(api="http://127.0.0.1:1", project="life", firestore_emulator="127.0.0.1:2", local_token="a.b.")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build leaves."""
    folder = tmp_path / "frontend" / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>", "utf-8")
    (folder / "assets" / "index-1.js").write_text("export {}", "utf-8")
    (folder / "staticwebapp.config.json").write_text(json.dumps(HOSTING), "utf-8")
    return folder


@pytest.fixture
def client(dist: Path) -> Iterator[FlaskClient]:
    with page_app(dist, config=CONFIG).test_client() as client:
        yield client


def test_the_page_learns_where_the_system_is(client: FlaskClient) -> None:
    answer = client.get("/config.json")
    assert answer.json == {
        "api": "http://127.0.0.1:1",
        "project": "life",
        "firestore_emulator": "127.0.0.1:2",
        "firebase": None,
        "local_token": "a.b.",
    }
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/history", "/films/some-job"])
def test_an_address_of_the_pages_own_shows_the_page_which_is_asked_for_anew_each_time(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert b"<title>page" in answer.data
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_file_whose_name_tells_its_content_is_kept_for_ever(client: FlaskClient) -> None:
    answer = client.get("/assets/index-1.js")
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/index-0.js",
        "/missing.json",
        "/staticwebapp.config.json",
        "/assets/../../secret.js",
        "/%2e%2e/secret.js",
    ],
)
def test_a_file_that_is_not_there_is_not_found(client: FlaskClient, dist: Path, path: str) -> None:
    (dist.parent / "secret.js").write_text("secret", "utf-8")
    answer = client.get(path)
    assert answer.status_code == 404
    assert b"secret" not in answer.data


@pytest.mark.parametrize("path", ["/", "/config.json", "/assets/index-1.js", "/missing.json"])
def test_every_answer_has_the_headers_of_the_host_but_for_https(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; connect-src 'self' https://a.ex http://127.0.0.1:*"
    )


def test_a_policy_forbids_here_what_it_forbids_there() -> None:
    policy = "script-src 'self'; img-src data:; media-src blob:; font-src 'self'"
    assert local_policy(policy) == (
        "script-src 'self'; img-src data: http://127.0.0.1:*; media-src blob: http://127.0.0.1:*; font-src 'self'"
    )


def test_it_is_served_until_the_end_of_the_block(dist: Path) -> None:
    with serve_page(dist, port=0, config=CONFIG) as url:
        assert requests.get(url, timeout=5).headers["Cache-Control"] == "no-cache"
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


# Building


def said(frontend: Path) -> str:
    with pytest.raises(PageLeftOutError) as refused:
        built_page(log_path=frontend / "log.txt", say=lambda _what: None, frontend=frontend)
    return str(refused.value)


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Only these programs are found."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin" if scripts else str(folder))


@pytest.fixture
def frontend(tmp_path: Path) -> Path:
    """Sources, not built."""
    folder = tmp_path / "frontend"
    (folder / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.tsx"):
        (folder / name).write_text("{}", "utf-8")
    return folder


def test_without_node_one_line_says_what_it_needs(
    frontend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch)
    assert said(frontend) == "it needs Node 20.19 or newer, with npm."


@pytest.mark.parametrize("printed", ["v18.20.4", "v20.9.0", "nonsense"])
def test_a_node_that_is_too_old_is_named(
    frontend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    programs(tmp_path / "bin", monkeypatch, node=f"echo {printed}", npm="exit 1")
    assert said(frontend) == f"it needs Node 20.19 or newer, and this is {printed}."


def test_without_sources_there_is_no_page(tmp_path: Path) -> None:
    assert said(tmp_path) == "its sources are not here."


NPM = """
echo "$@" >> calls
case "$1" in
  ci) mkdir -p node_modules; touch node_modules/.package-lock.json ;;
  run) mkdir -p dist; env > dist/index.html ;;
esac"""


def test_it_is_built_when_something_has_changed_and_only_then(
    frontend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch, node="echo v22.1.0", npm=NPM)
    monkeypatch.setenv("VITE_API_URL", "https://api.example")

    def build() -> list[str]:
        (frontend / "calls").unlink(missing_ok=True)
        built = built_page(log_path=tmp_path / "log.txt", say=lambda _what: None, frontend=frontend)
        assert built == frontend / "dist"
        calls = frontend / "calls"
        found = calls.read_text("utf-8").splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return found

    assert build() == ["ci --ignore-scripts --no-audit --no-fund", "run build"]
    assert "VITE_API_URL" not in (frontend / "dist/index.html").read_text("utf-8")
    assert build() == []

    later = (frontend / "dist/index.html").stat().st_mtime + 1
    os.utime(frontend / "src/main.tsx", (later, later))
    assert build() == ["run build"]


def test_a_build_that_fails_says_where_its_reasons_are(
    frontend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch, node="echo v22.1.0", npm="echo no network; exit 1")
    log = tmp_path / "page.log"
    with pytest.raises(PageLeftOutError, match=r"`npm ci .*` failed; see .*page\.log"):
        built_page(log_path=log, say=lambda _what: None, frontend=frontend)
    assert "no network" in log.read_text("utf-8")


def test_a_page_that_has_a_fault_is_not_taken_for_one_that_can_not_be_built_here(
    frontend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch, node="echo v22.1.0", npm='test "$1" = ci && mkdir -p node_modules')
    with pytest.raises(PageBrokenError, match="`npm run build` failed"):
        built_page(log_path=tmp_path / "page.log", say=lambda _what: None, frontend=frontend)


def test_versions_of_node_are_compared_as_numbers() -> None:
    assert node_version("v20.19.1\n") == (20, 19) > node_version("v20.9.0") > node_version("nonsense")
