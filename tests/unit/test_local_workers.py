"""How many workers the local stack starts for what waits: as many as the cloud would."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from flask import Request
from werkzeug.serving import make_server

from local.stack import LocalStack, StackOptions
from local.workers import bulk_workers
from tests.cloud.terraform_code import Code
from tests.unit.http_world import TOKEN, WISH, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api_url(world: World) -> Iterator[str]:
    """The API on a port."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return world.api.answer(Request(environ))(environ, start_response)

    with make_server("127.0.0.1", 0, application) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.port}"
        server.shutdown()
        thread.join()


def stack(api_url: str, tmp_path: Path, *, max_workers: int) -> LocalStack:
    found = LocalStack(
        StackOptions(run_dir=tmp_path, models_dir=tmp_path, max_workers=max_workers), binaries=cast("Any", None)
    )
    found._urls, found._queue_token = {"submit": api_url}, TOKEN
    return found


def test_a_long_queue_of_bulk_leaves_a_worker_to_who_waits(world: World, api_url: str, tmp_path: Path) -> None:
    for seed in range(9):
        world.post({**WISH, "seed": seed, "priority": "bulk"})
    four = stack(api_url, tmp_path, max_workers=4)

    assert four._renders_to_do() == 3
    world.post({**WISH, "seed": 100})
    world.clock.pass_s(2)
    assert four._renders_to_do() == 4, "and there is one for it"


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2, 1), (4, 3), (16, 12)])
def test_bulk_has_three_quarters_of_the_workers_and_one_at_least(limit: int, most: int) -> None:
    assert bulk_workers(limit) == most


def test_the_cloud_gives_bulk_the_same_share() -> None:
    assert Code().locals["bulk_workers"] == "${max(1, floor(local.size.max_workers * 3 / 4))}"
