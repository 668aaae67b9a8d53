"""Normalising: from a prompt to the words that a reader sees in it, whatever characters they are written with.

Enters: any text. Leaves: its *readings*: lists of plain words. Several, since a character may stand for more than one:
``1`` for i or l, a Cyrillic letter for itself or for the Latin one that it looks like. Lookalikes: a selection of
Unicode's confusables (https://www.unicode.org/reports/tr39/); invisible characters: the general category Cf and
variation selectors.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Final

#: Cyrillic, Greek and others that look like a Latin small letter; after case folding and NFKC.
_LOOKALIKES: Final = {
    ord(lookalike): latin
    for latin, lookalikes in tomllib.loads((Path(__file__).parent / "lookalikes.toml").read_text("utf-8")).items()
    for lookalike in lookalikes
}
_LEET: Final = str.maketrans("013456789@$!|+€£¡", "oieasbtbgasiiteli")
_LEET_WITH_L: Final = str.maketrans("013456789@$!|+€£¡", "oleasbtbgasllteli")
_LEET_MARKS: Final = "@$!|+€£¡"
#: Letters in a box or a disc that NFKC leaves as they are, and those that flags are made of.
_ENCLOSED: Final = {first + at: chr(ord("a") + at) for first in (0x1F150, 0x1F170, 0x1F1E6) for at in range(26)}
_IS_SELECTOR: Final = re.compile("[\\ufe00-\\ufe0f\\U000e0100-\\U000e01ef\\u034f\\u115f\\u1160\\u3164\\uffa0]")
_WORD: Final = re.compile(r"[^\W_]+")
_WORD_WITH_MARKS: Final = re.compile(rf"[{re.escape(_LEET_MARKS)}]*[^\W_]+(?:[{re.escape(_LEET_MARKS)}]+[^\W_]+)*")
#: Three letters or more, each alone: ``p o r n``, ``p.o.r.n``, ``p-o-r-n``.
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}[^\W_](?![^\W_])){2,}")
_REPEATED: Final = re.compile(r"(.)\1{2,}")


def plain(text: str) -> str:
    """NFKC, folded case, no invisible characters, no accents; the same is done to every list it is held against."""
    folded = unicodedata.normalize("NFKC", _IS_SELECTOR.sub("", text).translate(_ENCLOSED)).casefold()
    parts = unicodedata.normalize("NFD", folded)
    kept = "".join(char for char in parts if unicodedata.category(char) not in {"Cf", "Mn", "Me"})
    return unicodedata.normalize("NFKC", kept)


def readings(text: str) -> list[list[str]]:
    """The words of a text, in each way of reading it; the first is the plain one."""
    simple = plain(text)
    words = _WORD.findall(simple)
    latin = [_latin(word) for word in words]
    marked = [_latin(word) for word in _WORD_WITH_MARKS.findall(simple)]
    found = [words, latin, _without_leet(latin, _LEET)]
    found += [_without_leet(marked, leet) for leet in (_LEET, _LEET_WITH_L)]
    found += [[_REPEATED.sub(once, word) for word in each] for each in found for once in (r"\1", r"\1\1")]
    return [each for number, each in enumerate(found) if each not in found[:number]]


def spaced(text: str) -> list[str]:
    """What is written letter by letter, joined."""
    runs = ["".join(re.findall(r"[^\W_]", run)) for run in _SPACED.findall(plain(text))]
    return [each for run in runs for each in dict.fromkeys((run, _latin(run), _latin(run).translate(_LEET)))]


def _latin(word: str) -> str:
    """The word in Latin letters, if every letter of it has or looks like one: no word of another script is touched."""
    changed = word.translate(_LOOKALIKES)
    return changed if all(char.isascii() or not char.isalpha() for char in changed) else word


def _without_leet(words: list[str], leet: dict[int, int]) -> list[str]:
    return [word.translate(leet) if _is_odd(word) else word for word in words]


def _is_odd(word: str) -> bool:
    """Letters and something else: no number, no plain word."""
    return any(char.isalpha() for char in word) and not word.isalpha()
