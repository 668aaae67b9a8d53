"""What the queries answer on numbers that are written down, by Prometheus' own `promtool`, where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.cloud.terraform_code import Code
from tests.cloud.test_measures import written_out

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")

CODE = Code()
#: What Terraform takes from its resources and from Google.
KNOWN: Final = {
    "local.backlog": "backlog",
    "local.workers": "workers",
    "local.waits.interactive": 'subscription_id="interactive"',
    "local.waits.bulk": 'subscription_id="bulk"',
    **{f"local.measures.{name}": metric for name, metric in CODE.locals["measures"].items()},
}
STALLS, COST, PAUSE = (CODE.locals["measures"][name] for name in ("STALLS", "COST", "BULK_PAUSE"))
INTERACTIVE, BULK = 'backlog{subscription_id="interactive"}', 'backlog{subscription_id="bulk"}'


def filled_in(query: str) -> str:
    return re.sub(r"\$\{([\w.]+)\}", lambda match: KNOWN[match[1]], written_out(query))


def answer(query: str, *, minute: int, folder: Path, **series: str) -> float | None:
    """Number that a query answers after so many minutes; None: it answers nothing.

    promtool compares and tells no values. So it is asked for a wrong one, and says what it got.
    """
    case: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": filled_in(query), "eval_time": f"{minute}m", "exp_samples": []}],
    }
    path = folder / "case.yml"
    path.write_text(json.dumps({"tests": [case]}), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 0:
        return None
    [got] = re.findall(r"got:\[?\"?.*? ([-+\d.eE]+)\"?\]?\s*$", done.stdout + done.stderr, re.MULTILINE)
    return round(float(got), 6)


@pytest.mark.parametrize(("minute", "stalls"), [(9, None), (30, None), (45, 2), (85, None), (130, None)])
def test_two_workers_that_ended_with_a_stall_within_an_hour_ring(
    minute: int, stalls: float | None, tmp_path: Path
) -> None:
    ended = {f'{STALLS}{{instance="a"}}': "_x10 1 _x200", f'{STALLS}{{instance="b"}}': "_x40 1 _x200"}

    assert answer(CODE.locals["alerts"]["stalls"]["query"], minute=minute, folder=tmp_path, **ended) == stalls


def test_what_an_hour_cost_has_in_it_what_a_worker_counted_that_ended_at_once(tmp_path: Path) -> None:
    counted = {f'{COST}{{instance="a"}}': "0+0.05x240", f'{COST}{{instance="b"}}': "_x130 5 5 _x200"}

    assert answer("sum(${local.grown.cost})", minute=150, folder=tmp_path, **counted) == 8
    assert answer("sum(increase(${local.measures.COST}[1h]))", minute=150, folder=tmp_path, **counted) == 3


@pytest.mark.parametrize(
    ("series", "rings"),
    [
        ({BULK: "7x60", PAUSE: "600x60"}, None),
        ({BULK: "7x60", PAUSE: "600x60", INTERACTIVE: "0x60"}, None),
        ({BULK: "7x60", PAUSE: "600x60", INTERACTIVE: "1x60"}, 1),
        ({BULK: "7x60", PAUSE: "0x60"}, 7),
        ({BULK: "7x60"}, 7),
        ({BULK: "7x60", PAUSE: "0x60", "workers": "1x60"}, None),
        ({BULK: "0x60", PAUSE: "0x60", INTERACTIVE: "0x60"}, None),
    ],
    ids=[
        "paused",
        "paused and nobody else",
        "paused and somebody waits",
        "not paused",
        "nobody says",
        "works",
        "empty",
    ],
)
def test_no_worker_rings_for_what_may_be_worked_on(series: dict[str, str], rings: float | None, tmp_path: Path) -> None:
    assert answer(CODE.locals["alerts"]["no_worker"]["query"], minute=30, folder=tmp_path, **series) == rings
