"""The runbook as data: its sections, and its blocks of commands by where they run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.bundles import ROOT

PAGE = ROOT / "docs" / "runbook.md"


@dataclass(frozen=True)
class Block:
    """Commands."""

    section: str
    text: str


def blocks(where: str) -> list[Block]:
    """The blocks marked so, in the order of the page."""
    found: list[Block] = []
    section = ""
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if heading := re.match(r"#+ (.+)", line):
            section = heading[1]
        elif line.startswith("```"):
            text = "\n".join(iter(lambda: next(lines), "```"))
            if line == f"```sh {where}":
                found.append(Block(section, text))
            else:
                assert line in {"```sh local", "```sh cloud"}, f"a block that nobody runs or checks: {line}"
    return found


def alerts() -> dict[str, tuple[str, str]]:
    """Title, name and severity of each section below *By alert*."""
    page = PAGE.read_text(encoding="utf-8")
    [by_alert] = re.findall(r"(?ms)^## By alert$(.*?)^## ", page)
    found = re.findall(r"(?m)^### (.+)\n\n`(\w+)` · ([A-Z]+) · \S", by_alert)
    assert len(found) == len(re.findall(r"(?m)^### ", by_alert)), "a section begins with name, severity and what it is"
    return {title: (name, severity) for title, name, severity in found}
