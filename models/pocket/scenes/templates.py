"""Sentences with gaps. Enters: what is said. Leaves: text.

A part in brackets is left out where one of its gaps is not filled. Gaps: viewer, where, thing (with article),
noun (colour and thing, no article), when, hour, outside, sky, moves, gait, act.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
GAP = re.compile(r"\{(\w+)\}")

SENTENCES = (
    "{viewer} sees {thing}[ {where}][ {when}][ {outside}][, {moves}]",
    "{viewer} looks at {thing}[ {where}][, {moves}][, {when}][ {outside}]",
    "{viewer} {where}[ {outside}][ {when}], {moves}[, {thing} ahead]",
    "[{when}, ]{viewer}[, {moves},] finds {thing}[ {where}][ {outside}]",
    "[{outside} and ]{when}, {viewer} meets {thing}[ {where}][, {moves}]",
    "{thing} {where}[, {when}][, {outside}], seen by {viewer}[, {moves}]",
    "{thing} seen through the eyes of {viewer}[, {moves}][ {when}][, {outside}]",
    "through the eyes of {viewer}: {thing}[ {where}][ {when}][ {outside}][, {moves}]",
    "the world of {viewer}[ {when}][ {outside}]: {thing}[, {moves}]",
    "first-person view of {viewer}[, {moves}][: {thing}][ {where}][, {when}][, {outside}]",
    "first-person view, {where}[, {moves}]: {thing}[ {when}][ {outside}]",
    "point of view of {viewer}[ {when}][ {outside}][, {moves}], {thing}[ {act}]",
    "what {viewer} sees[ {when}][ {outside}]: {thing}[ {act}][ {where}][, {moves}]",
    "[{outside}, ]{thing} {where}[ {when}][, the viewer {moves}]",
    "[{when} ]{where} there is {thing}[ {outside}][; the camera is {moves}]",
    "{where}[, {when}], {thing}[ {act}][ {outside}][, {moves}]",
    "{where}[ {outside}][ {when}][, {moves}][, and {thing} in front]",
    "{thing}[ {act}] {where}[ {outside}][, {moves}][ {when}]",
    "{thing}[ {act}][ {when}] {where}[, {outside}][, {moves}]",
    "a video of {thing} {where}[ {when}][ {outside}], filmed while {moves}",
    "a clip {where}[ {when}][ {outside}]: {thing}[ {act}][, {moves}]",
    "imagine being {viewer}[ {where}][ {when}][ {outside}][, {moves}][, with {thing} before you]",
    "you are {viewer}[ {when}][ {outside}][, {moves}][. In front of you {thing}]",
    "I am {viewer}[, {moves}][ {where}][ {when}][ {outside}][; I see {thing}]",
    "life as {viewer}[ {when}][, {outside}][: {moves}][, {thing} close by]",
    "seen by {viewer} {where}[: {thing}[ {act}]][, {moves}][, {when}][, {outside}]",
    "it is {hour}[ {outside}]; {viewer} watches {thing}[ {where}][, {moves}]",
    "{hour}[, {sky}]. {viewer}[, {moves}]. {thing}[ {where}]",
    "[{sky}, ]{where}[ {when}]; {viewer}[ {moves}] towards {thing}",
    "{viewer}[ {where}], {moves}[, {thing} {act} before it][ {when}][, {outside}]",
    "close to {thing} {where}[, {viewer} {moves}][ {outside}][ {when}]",
    "the camera of {viewer}[ {moves}][ {where}][, {when}][ {outside}], {thing} in the middle",
    "a little film: {viewer} and {thing}[ {where}][ {when}][ {outside}][, {moves}]",
    "show me {thing}[ {where}][ {when}][ {outside}] as {viewer} sees it[, {moves}]",
    "how does {viewer} see {thing}[ {where}][ {when}][ {outside}]?[ {moves}]",
    "I want to be {viewer}[ {moves}][ {where}][ {when}][ {outside}][ and see {thing}]",
    "make a video where {viewer}[ {where}] sees {thing}[, {when}][, {outside}][, {moves}]",
    "{viewer} dreams of {thing} {act}[ {where}][ {outside}][ {when}][, {moves}]",
    "suddenly {thing} appears in front of {viewer}[ {where}][ {when}][, {outside}][, {moves}]",
    "{moves}[ {where}][ {when}][ {outside}], {viewer} comes upon {thing}",
    "{moves} as {viewer}[ {where}][, {when}][, {outside}][; {thing}]",
    "{where}: {moves}[, {when}][ {outside}][. {thing}[ {act}]]",
)

KEYWORDS = (
    "{viewer} view[, {noun}][, {hour}][, {sky}][, {gait}]",
    "[{noun}, ]{where}[, {hour}][, {sky}][, {gait}]",
    "{where}[, {sky}][, {hour}][, {gait}][, {noun}]",
    "[{hour}, ][{sky}, ]{viewer}[, {noun}][, {gait}]",
    "[{gait}, ]{viewer}[, {where}][, {noun}][, {hour}][, {sky}]",
    "pov {viewer}[, {gait}][, {noun}][, {sky}][, {hour}]",
    "[{noun}, ][{gait}, ][{hour}, ][{sky}, ]{where}",
    "{noun} {hour} {viewer}[ {sky}][ {gait}]",
)

#: Of the scene that a perspective's own prompt holds; the viewer is named there.
PHRASES = (
    "{thing}[ {act}][ {where}][ {when}][ {outside}][, {moves}]",
    "{thing}[ {where}][, {moves}][, {when}][, {outside}]",
    "{where}[, {thing}[ {act}]][ {when}][ {outside}][, {moves}]",
    "[{moves}, ]{thing}[ {where}][ {outside}][ {when}]",
    "[{when}, ]{thing}[ {act}][ {where}][, {outside}][, {moves}]",
    "{thing} ahead[, {moves}][, {where}][, {outside}][ {when}]",
    "[{outside} ][{when}, ]{thing} close in front[, {moves}][ {where}]",
)


def fill(template: str, said: Mapping[str, str]) -> str | None:
    """The text, or None where a gap outside brackets has no filling."""

    def part(match: re.Match[str]) -> str:
        inside = match.group(1)
        return inside if all(gap in said for gap in GAP.findall(inside)) else ""

    text = template
    while "[" in text:
        text = OPTIONAL.sub(part, text)
    if any(gap not in said for gap in GAP.findall(text)):
        return None
    return text.format_map(said)
