"""What is drawn: bytes, JSON of any shape, and good documents with something wrong in them, which get furthest."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

#: Strings that have broken others: paths, addresses, signs that are none, numbers that are too large.
NASTY = (
    "",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/dev/null",
    "gs://other/../wishes/rows",
    "http://169.254.169.254/computeMetadata/v1/",
    "file:///etc/passwd",
    "a\x00b",
    "a\r\nX-Injected: 1",
    "\ud800",
    "\u202e",
    "<script>alert(1)</script>",
    "$(id)",
    "{{7*7}}",
    "1e999",
    "9" * 400,
)
texts = st.one_of(st.text(max_size=40), st.sampled_from(NASTY))
#: Any JSON, ``NaN`` and its like among it.
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def as_bytes(value: Any) -> bytes:
    """As JSON, with what UTF-8 does not know, too."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inner for place in places(part, (*at, key)))]


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """The document with something else in a place."""
    if not place:
        return new
    copy = deepcopy(value)
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return copy


def almost(*good: Any) -> st.SearchStrategy[Any]:
    """Good documents with another value in one or two places, or with one more field."""

    def spoilt(value: Any) -> st.SearchStrategy[Any]:
        one = st.builds(changed, st.just(value), st.sampled_from(places(value)), values)
        more = st.builds(lambda name, new: {**value, name: new}, texts, values)
        return st.one_of(st.just(value), one, one.flatmap(_again), more)

    return st.sampled_from(good).flatmap(spoilt)


def _again(value: Any) -> st.SearchStrategy[Any]:
    return st.builds(changed, st.just(value), st.sampled_from(places(value)), values)


def broken(content: bytes) -> st.SearchStrategy[bytes]:
    """Good bytes with some of them changed, cut off or put twice."""

    def build(at: int, new: bytes, left_out: int) -> bytes:
        return content[:at] + new + content[at + left_out :]

    return st.builds(build, st.integers(0, len(content)), st.binary(max_size=6), st.integers(0, 12))


def documents(*good: Any) -> st.SearchStrategy[bytes]:
    """All of the above, as bytes."""
    return st.one_of(
        st.binary(max_size=200),
        values.map(as_bytes),
        almost(*good).map(as_bytes),
        st.sampled_from(good).flatmap(lambda value: broken(as_bytes(value))),
    )
