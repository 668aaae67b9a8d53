"""The built-in moderator: a list of words, phrases and combinations in many languages, as data beside this module.

Words are compared as wholes, so that no word is refused for what it happens to contain (Scunthorpe, cockatoo); only one
with a ``*`` stands for all that begin with it. What is harmless in spite of a word is named, too: a naked mole rat. A
list is no judge of meaning; it stops the plain cases at once and for nothing, and a hosted moderator comes after it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import LifeAsNotMeError, faults_of
from shared.safety import Category, Refusal
from shared.safety.normalising import plain, readings, spaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER: Final = Path(__file__).parent / "blocklist"
#: What is written letter by letter is searched for words of this length or more.
_LEAST_SPACED: Final = 4
#: Every first word of an entry has as many letters, or is compared by fewer.
_LEAST_LETTERS: Final = 2

Entry = Annotated[str, Field(min_length=2, max_length=80)]


class BrokenBlocklistError(LifeAsNotMeError):
    """A file of the list can't be used; the message says which and why."""


class _Rules(BaseModel):
    """Of one category in one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[Entry, ...] = ()
    phrases: tuple[Entry, ...] = ()
    #: Where a script has no spaces: anywhere in the text.
    parts: tuple[Entry, ...] = ()
    #: One of each list, anywhere in the prompt.
    together: tuple[tuple[tuple[Entry, ...], tuple[Entry, ...]], ...] = ()


class _File(BaseModel):
    """One language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    harmless: tuple[Entry, ...] = ()
    categories: dict[Category, _Rules]


@dataclass(frozen=True)
class _Rule:
    category: Category
    name: str
    #: Of how many lists a word must be there.
    sides: int


class _Index:
    """Finds entries in words, by how their first word begins: a prompt is compared with a few of them, not with all."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[list[str], tuple[int, int]]]] = {}

    def add(self, entry: str, meaning: tuple[int, int]) -> None:
        words = _as_read(entry)
        self._entries.setdefault(words[0].rstrip("*")[:_LEAST_LETTERS], []).append((words, meaning))

    def found(self, words: Sequence[str]) -> Iterator[tuple[int, int, tuple[int, int]]]:
        """Of each entry that is there: its first word's place, how many words it has, and its meaning."""
        for place, word in enumerate(words):
            for wanted, meaning in self._entries.get(word[:_LEAST_LETTERS], ()):
                here = words[place : place + len(wanted)]
                if len(here) == len(wanted) and all(map(_is, here, wanted)):
                    yield place, len(wanted), meaning


class Blocklist:
    """See `shared.safety.Moderator`. Reads the files of a folder, one a language, all faults told at once."""

    name = "blocklist"

    def __init__(self, folder: Path = FOLDER) -> None:
        self._rules: list[_Rule] = []
        self._words, self._harmless = _Index(), _Index()
        #: What is searched for in text without spaces, and in what is written letter by letter.
        self._parts: list[tuple[str, _Rule]] = []
        self._spaced: list[tuple[str, _Rule]] = []
        for language, file in _read(folder).items():
            for entry in file.harmless:
                self._harmless.add(entry, (0, 0))
            for category, rules in file.categories.items():
                self._add(f"{language}/{category.value}", category, rules)

    def refusal(self, prompt: str) -> Refusal | None:
        """See `Moderator.refusal`. Of several categories the gravest: those that come first in `Category`."""
        broken = {rule for words in readings(prompt) for rule in self._broken(words)}
        joined, runs = "".join(plain(prompt).split()), spaced(prompt)
        broken |= {rule for part, rule in self._parts if part in joined}
        broken |= {rule for word, rule in self._spaced if any(word in run for run in runs)}
        if not broken:
            return None
        gravest = min(broken, key=lambda each: (list(Category).index(each.category), each.name))
        return Refusal(category=gravest.category, rule=gravest.name)

    def _broken(self, words: list[str]) -> Iterator[_Rule]:
        kept = list(words)
        for place, length, _ in self._harmless.found(words):
            kept[place : place + length] = [""] * length
        found = {meaning for _, _, meaning in self._words.found(kept)}
        for number in {number for number, _ in found}:
            rule = self._rules[number]
            if all((number, side) in found for side in range(rule.sides)):
                yield rule

    def _add(self, name: str, category: Category, rules: _Rules) -> None:
        for kind, entries in (("words", rules.words), ("phrases", rules.phrases)):
            for number, entry in enumerate(entries):
                rule = self._rule(category, f"{name}/{kind}/{number}", [[entry]])
                letters = "".join(_as_read(entry)).replace("*", "")
                if kind == "words" and len(letters) >= _LEAST_SPACED:
                    self._spaced.append((letters, rule))
        for number, part in enumerate(rules.parts):
            rule = _Rule(category, f"{name}/parts/{number}", sides=1)
            self._parts.append(("".join(plain(part).split()), rule))
        for number, both in enumerate(rules.together):
            self._rule(category, f"{name}/together/{number}", both)

    def _rule(self, category: Category, name: str, sides: Sequence[Sequence[str]]) -> _Rule:
        rule = _Rule(category, name, sides=len(sides))
        for side, entries in enumerate(sides):
            for entry in entries:
                self._words.add(entry, (len(self._rules), side))
        self._rules.append(rule)
        return rule


@cache
def blocklist() -> Blocklist:
    """The list that comes with this package."""
    return Blocklist()


def _is(word: str, wanted: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted


def _as_read(entry: str) -> list[str]:
    """An entry as the words of a prompt are read."""
    return re.findall(r"[^\W_]+\*?", plain(entry))


def _read(folder: Path) -> dict[str, _File]:
    files, faults = {}, []
    for path in sorted(folder.glob("*.toml")):
        try:
            files[path.stem] = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as exc:
            faults += [f"{path.name}: {fault.field}: {fault.message}" for fault in faults_of(exc)]
        except ValueError as exc:  # of TOML and of UTF-8
            faults.append(f"{path.name}: {exc}")
    if faults or not files:
        raise BrokenBlocklistError("The blocklist has faults: " + ("; ".join(faults) or "there is no file"))
    return files
