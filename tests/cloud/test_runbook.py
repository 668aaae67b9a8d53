"""The runbook has a section for each alert and no other, and its commands for the cloud are ones that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import Final

import click
import pytest

from cli.main import main
from local.bundles import ROOT
from shared.messages import TOPICS
from tests.cloud.terraform_code import Code
from tests.runbook import PAGE, Block, alerts, blocks

CODE = Code()
#: What ends a command in a shell, as far as the runbook goes.
ENDS: Final = {"|", "||", "&&", ";", "(", ")"}

#: A command in a command, which may have one pair of brackets.
INSIDE: Final = r"\$\(((?:[^()]|\([^()]*\))+)\)"


def commands(block: Block) -> list[list[str]]:
    """Its commands as words; what stands in $(…) is a command by itself."""
    found: list[list[str]] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        inner = re.findall(INSIDE, line)
        outer = re.sub(INSIDE, "VALUE", line)
        for text in [*inner, outer]:
            words: list[str] = []
            for word in shlex.split(text):
                if word in ENDS:
                    found.append(words)
                    words = []
                else:
                    words.append(word)
            found.append(words)
    return [[word for word in words if not re.match(r"[A-Z_]+=", word)] for words in found if words]


def called(program: str) -> list[list[str]]:
    every = [words for where in ("local", "cloud") for block in blocks(where) for words in commands(block)]
    return [words for words in every if words[:1] == [program]]


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    declared = {each["title"]: (name, each["severity"]) for name, each in CODE.locals["alerts"].items()}

    assert alerts() == declared


def test_the_mail_of_an_alert_names_its_section() -> None:
    [documentation] = CODE.resource("google_monitoring_alert_policy.alerts").inner("documentation")

    assert "docs/runbook.md" in documentation["content"]
    assert "each.value.title" in documentation["content"]


def test_every_alert_says_what_to_look_at_with_a_command_that_was_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for title in alerts():
        [section] = re.findall(rf"(?ms)^### {re.escape(title)}$(.*?)(?=^##)", page)
        assert "**Look** " in section, title
        assert "```sh local\n" in section, title


def test_every_link_inside_of_the_page_leads_somewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^#+ (.+)$", page)
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors
    for path in re.findall(r"\]\(([\w./-]+\.md)", page):
        assert (PAGE.parent / path).is_file()


def test_every_program_is_one_that_an_operator_has() -> None:
    programs = {
        words[0] for where in ("local", "cloud") for block in blocks(where) for words in commands(block) if words
    }

    assert programs <= {"curl", "export", "gcloud", "head", "kubectl", "lifeasnotme", "python3"}


@pytest.mark.parametrize("words", called("lifeasnotme"), ids=" ".join)
def test_our_command_takes_what_it_is_given(words: list[str]) -> None:
    given = [word.replace("$JOB", "a-job-of-somebody").replace("$FAILED", "a-job-of-somebody") for word in words[1:]]
    command = main.commands[given[0]]

    assert isinstance(command, click.Command)
    command.make_context(given[0], given[1:])


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not here")
@pytest.mark.parametrize("words", called("gcloud"), ids=" ".join)
def test_gcloud_knows_the_command_and_its_options(words: list[str]) -> None:
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    named = [word for word in words[1:] if re.fullmatch(r"[a-z][a-z-]*", word)]
    for length in range(len(named), 0, -1):
        asked = subprocess.run(
            ["gcloud", *named[:length], "--help"], capture_output=True, text=True, check=False, timeout=120
        )
        if asked.returncode == 0:
            break
    assert asked.returncode == 0, asked.stderr
    # A group that has the option in its children's pages is no command.
    assert "GROUPS\n" not in asked.stdout
    globals_ = {"--project", "--format", "--quiet"}
    assert [option for option in options if option not in globals_ and option not in asked.stdout] == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here")
@pytest.mark.parametrize("words", called("kubectl"), ids=" ".join)
def test_kubectl_knows_the_command_and_its_options(words: list[str]) -> None:
    verb = next(word for word in words[1:] if word in {"get", "describe", "logs", "delete"})
    asked = subprocess.run(["kubectl", verb, "--help"], capture_output=True, text=True, check=True, timeout=60)
    options = [word.split("=")[0] for word in words if word.startswith("--")]

    assert [option for option in options if option not in asked.stdout] == []
    assert words[words.index("-n") + 1] in {"lifeasnotme", "keda"}


def test_topics_and_subscriptions_are_ours() -> None:
    subscriptions = {f"{topic}-{function}" for topic, function in CODE.locals["pushed"].items()}
    subscriptions |= set(CODE.locals["pulled"].values())
    subscriptions.add(CODE.resource("google_pubsub_subscription.undeliverable").body["name"])
    for words in called("gcloud"):
        if words[1:4] == ["pubsub", "subscriptions", "pull"]:
            assert words[4] in subscriptions
        if words[1:4] == ["pubsub", "topics", "publish"]:
            assert words[4] in TOPICS
    for name in re.findall(r"`([\w-]+-(?:intake|expand|schedule|bury))`", PAGE.read_text(encoding="utf-8")):
        assert name in subscriptions


def test_services_are_named_as_terraform_names_them() -> None:
    functions = set(re.findall(r'"?(\w+)"?\s*=\s*\{', (ROOT / "terraform" / "functions.tf").read_text("utf-8")))
    for name in re.findall(r"\blifeasnotme-([a-z]+)\b", " ".join(" ".join(words) for words in called("gcloud"))):
        assert name in functions
