"""What the dashboard and the alerts ask for is what the code measures, by the same names and labels."""

from __future__ import annotations

import re
from typing import Final

import pytest

from shared import measures
from shared.measures import MEASURES, Kind, Measure
from tests.cloud.terraform_code import TERRAFORM, Code, texts

CODE = Code()
BY_CONSTANT: Final = {name: each for name, each in vars(measures).items() if isinstance(each, Measure)}
#: In a query: which measure, what of it, which labels are asked for, and over how long.
ASKED: Final = re.compile(r"\$\{local\.measures\.(\w+)\}(_\w+)?(?:\{([^}]*)\})?(\[\w+\])?")
QUERIES: Final = [text for text in [*texts(CODE.locals["charts"]), *texts(CODE.locals["alerts"])] if "measures" in text]


def test_terraform_knows_each_measure_by_its_name_and_no_other() -> None:
    assert CODE.locals["measures"] == {name: each.name for name, each in BY_CONSTANT.items()}
    assert set(BY_CONSTANT.values()) == set(MEASURES)


def test_each_measure_is_on_the_dashboard_and_no_name_is_written_a_second_time() -> None:
    shown = {match[1] for text in texts(CODE.locals["charts"]) for match in ASKED.finditer(text)}

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
