"""docs/deploy.md: what it names exists, and its sums are right."""

from __future__ import annotations

import re

import pytest

from local.bundles import ROOT
from tests.cloud.terraform_code import Code
from tests.cluster.manifests import environment_of, one, written

KEDA = (ROOT / "terraform" / "in_cluster" / "keda.tf").read_text("utf-8")
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


def test_what_it_counts_with_is_what_terraform_and_the_manifests_say() -> None:
    worker = one(written(), "ScaledJob")["spec"]
    machines = one(written(), "ComputeClass")["spec"]
    small = Code().locals["sizes"]["small"]
    asked_s = worker["pollingInterval"]
    requests = re.findall(r"requests = \{ cpu = \"(\d+)m\", memory = \"(\d+)Mi\"", KEDA)
    # Two of the three pods ask for the least.
    (cpu, memory), (more_cpu, more_memory) = [(int(cpu) / 1000, int(memory) / 1024) for cpu, memory in requests]
    numbers = PAGE.replace("\u00a0", " ")

    assert f"({2 * cpu + more_cpu:g} CPU x $0.0445 + {2 * memory + more_memory:g} GiB x $0.0049) x 730 h" in numbers
    assert f"{730 * 3600 // asked_s:,} calls x 0.1 s".replace(",", " ") in numbers
    assert f"the autoscaler's question, each {asked_s} s" in numbers
    assert f"{environment_of(written())['WARM_S']} `WARM_S`" in numbers
    assert f"{machines['autoscalingPolicy']['consolidationDelayMinutes'] * 60} until the node goes" in numbers
    assert {f"`{each['machineType']}`" in numbers for each in machines["priorities"]} == {True}
    assert f"{len(Code().locals['alerts'])} conditions" in numbers
    assert f"budget of ${small['monthly_budget']} a month" in numbers
    assert f"{small['max_workers']} x 730 x $0.40 = ${small['max_workers'] * 730 * 0.40:.0f} a month" in numbers


def test_what_a_video_costs_is_seconds_times_the_price() -> None:
    rows = re.findall(r"(?m)^\| .*?(\d+) \| .*?\*\*\$([\d.]+)\*\* \| \$([\d.]+) \|$", PAGE)

    assert len(rows) == 3
    for seconds, spot, on_demand in rows:
        assert int(seconds) * 0.40 / 3600 == pytest.approx(float(spot), abs=0.0006)
        assert int(seconds) * 1.00 / 3600 == pytest.approx(float(on_demand), abs=0.0006)
