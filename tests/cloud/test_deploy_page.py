"""docs/deploy.md: what it names exists, and its sums are right."""

from __future__ import annotations

import re

import pytest

from local.bundles import ROOT

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")


def test_it_names_only_targets_of_make_that_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    named = set(re.findall(r"(?m)(?:`|^ *)make ([a-z-]+)", PAGE))

    assert {"plan", "deploy", "weights", "destroy", "image-trial"} <= named
    assert named <= targets


def test_the_variables_that_it_has_one_write_down_are_those_that_must_be_said() -> None:
    [example] = re.findall(r"(?s)`terraform/terraform\.tfvars`.*?```\n(.*?)```", PAGE)
    text = (ROOT / "terraform" / "variables.tf").read_text("utf-8")
    blocks = dict(re.findall(r'(?ms)^variable "(\w+)" \{\n(.*?)^\}', text))
    required = {each for each, block in blocks.items() if not re.search(r"(?m)^  default\s+=", block)}

    assert required <= set(re.findall(r"(?m)^ *(\w+) +=", example)) <= set(blocks)


def test_what_it_costs_while_nobody_wishes_adds_up() -> None:
    [table] = re.findall(r"(?s)### While nobody wishes.*?\n\n(\|.*?)\n\n", PAGE)
    *parts, total = [float(each) for each in re.findall(r"\*{0,2}\$([\d.]+)\*{0,2} \|$", table, re.MULTILINE)]

    assert len(parts) > 5
    assert sum(parts) == pytest.approx(total)


def test_what_a_video_costs_is_seconds_times_the_price() -> None:
    rows = re.findall(r"(?m)^\| .*?(\d+) \| .*?\*\*\$([\d.]+)\*\* \| \$([\d.]+) \|$", PAGE)

    assert len(rows) == 3
    for seconds, spot, on_demand in rows:
        assert int(seconds) * 0.40 / 3600 == pytest.approx(float(spot), abs=0.0006)
        assert int(seconds) * 1.00 / 3600 == pytest.approx(float(on_demand), abs=0.0006)
