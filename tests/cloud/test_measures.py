"""What the dashboard and the alerts ask for is what the code measures, by the same names and labels, and adds up."""

from __future__ import annotations

import re
from typing import Final

import pytest

from shared import measures
from shared.measures import MEASURES, Kind, Measure
from shared.messages import TOPIC_OF_PRIORITY
from tests.cloud.terraform_code import TERRAFORM, Code, texts

CODE = Code()
BY_CONSTANT: Final = {name: each for name, each in vars(measures).items() if isinstance(each, Measure)}
#: In a query: which measure, what of it, which labels are asked for, and over how long.
ASKED: Final = re.compile(r"\$\{local\.measures\.(\w+)\}(_\w+)?(?:\{([^}]*)\})?(\[\w+\])?")
#: How ``local.grown`` is made of ``local.counted``.
[GROWN] = re.findall(r'=> "(.+)"', CODE.locals["grown"])


def written_out(query: str) -> str:
    """The query with what a process has counted in place of its name."""

    def grown(match: re.Match[str]) -> str:
        return str(GROWN.replace("${series}", CODE.locals["counted"][match[1]]))

    return re.sub(r"\$\{local\.grown\.(\w+)\}", grown, query)


ASKS: Final = [written_out(text) for text in [*texts(CODE.locals["charts"]), *texts(CODE.locals["alerts"])]]
QUERIES: Final = [text for text in ASKS if "local.measures" in text]


def test_terraform_knows_each_measure_by_its_name_and_no_other() -> None:
    assert CODE.locals["measures"] == {name: each.name for name, each in BY_CONSTANT.items()}
    assert set(BY_CONSTANT.values()) == set(MEASURES)


def test_each_measure_is_on_the_dashboard_and_no_name_is_written_a_second_time() -> None:
    shown = {match[1] for text in texts(CODE.locals["charts"]) for match in ASKED.finditer(written_out(text))}

    assert shown == set(BY_CONSTANT)
    for path in sorted(TERRAFORM.glob("*.tf")):
        written = re.findall(r"lifeasnotme_\w+_(?:seconds|total)", path.read_text("utf-8"))
        assert bool(written) == (path.name == "metrics.tf"), path.name


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_each_measure_for_what_it_has(query: str) -> None:
    found = list(ASKED.finditer(query))
    assert found
    grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(",")}
    for name, part, selected, window in (match.groups() for match in found):
        measure = BY_CONSTANT[name]
        labels = set(re.findall(r"(\w+)=", selected or "")) | (grouped - {"le"})
        assert labels <= measure.labels, name
        assert (part in {"_bucket", "_sum", "_count"}) == (measure.kind is Kind.HISTOGRAM), name
        assert (part == "_bucket") == ("le" in grouped), name
        assert bool(window) == (measure.kind is not Kind.GAUGE), name


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_asks_how_a_counter_grew_whose_process_may_end_after_one_count(query: str) -> None:
    """Such a series has one value. PromQL takes a series' first value for where it began: it has not grown."""
    assert re.findall(r"\b(?:increase|i?rate|i?delta)\s*\(\s*\$\{local\.measures", query) == []


def test_what_a_process_had_before_the_hour_is_taken_off_and_nothing_where_it_was_not_there() -> None:
    [hour, *rest] = re.findall(r"last_over_time\(\$\{series\}\[(\w+)\]( offset \w+)?\)", GROWN)

    assert hour == ("1h", "")
    assert rest == [("1d", " offset 1h"), ("1h", "")]
    assert re.sub(r"last_over_time\([^)]+\)", "x", GROWN) == "(x - (x or 0 * x))"


def test_two_workers_that_end_with_a_stall_each_are_two_stalls() -> None:
    query = written_out(CODE.locals["alerts"]["stalls"]["query"])

    assert query == f"sum({GROWN.replace('${series}', '${local.measures.STALLS}')}) >= 2"


def test_bulk_without_a_worker_is_no_fault_while_it_is_paused_and_interactive_work_without_one_always_is() -> None:
    query = CODE.locals["alerts"]["no_worker"]["query"]
    waits, workers = query.split(" unless on() (count(")

    interactive, bulk = waits.split(" or ")
    assert "local.waits.interactive" in interactive
    assert "BULK_PAUSE" not in interactive
    assert re.search(
        r"local\.waits\.bulk\}\}\) > 0\) unless on\(\) \(max\(\$\{local\.measures\.BULK_PAUSE\}\) > 0\)", bulk
    )
    assert workers == "${local.workers}) > 0)"
    named = {name: re.findall(r'pulled\["([\w-]+)"\]', text) for name, text in CODE.locals["waits"].items()}
    assert named == {priority.value: [topic] for priority, topic in TOPIC_OF_PRIORITY.items()}
