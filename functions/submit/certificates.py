"""Google's public keys, fetched once for as long as Google says that they hold.

In: an address. Out: the answer of that address, kept for its ``Cache-Control: max-age``. It is a transport of
google-auth, which fetches keys for every token that it verifies. A token that names an unknown key fetches nothing:
keys are published long before anything is signed with them, and else anybody could have us fetch without end.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from google.auth import transport
from google.auth.exceptions import TransportError

from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: An answer takes milliseconds; whoever calls us waits meanwhile.
TIMEOUT_S: Final = 5.0
#: Keys hold for hours. Bounds of what is believed, so that no answer has us fetch at every call, or never again.
SHORTEST_S: Final = 60.0
LONGEST_S: Final = 86_400.0
#: After a failure nobody tries for so long: every caller waits for whoever tries.
PAUSE_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """An answer, or that there was none."""

    answer: transport.Response | None
    until_s: float


class Certificates(transport.Request):  # type: ignore[misc]  # google-auth has no types
    """Thread-safe; built once a process.

    Args:
        fetch: asks the network.
        monotonic: a clock in seconds.
    """

    def __init__(self, fetch: transport.Request, *, monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def __call__(self, url: str, method: str = "GET", **_options: Any) -> transport.Response:  # noqa: ANN401 - as google-auth has it
        """The answer of that address, of now or of before.

        Raises:
            Retryable: it does not answer.
        """
        with self._lock:
            kept = self._kept.get(url)
            if kept is None or kept.until_s <= self._monotonic():
                kept = self._kept[url] = self._ask(url, method)
            if kept.answer is None:
                raise Retryable("Google's public keys can't be fetched")
            return kept.answer

    def _ask(self, url: str, method: str) -> _Kept:
        try:
            answer = self._fetch(url, method=method, timeout=TIMEOUT_S)
        except TransportError:
            answer = None
        if answer is None or answer.status != HTTPStatus.OK or not _is_object(answer.data):
            return _Kept(answer=None, until_s=self._monotonic() + PAUSE_S)
        return _Kept(answer=answer, until_s=self._monotonic() + _holds_s(answer.headers))


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


def _holds_s(headers: Mapping[str, str]) -> float:
    """For how long an answer may be kept, in seconds (RFC 9111): its ``max-age`` less its ``Age`` in other caches."""
    found = {name.lower(): text for name, text in headers.items()}
    max_age = re.search(r"max-age=(\d{1,9})", found.get("cache-control", ""))
    age = found.get("age", "")
    seconds = float(max_age[1]) if max_age else 0.0
    return min(max(seconds - (float(age) if re.fullmatch(r"\d{1,9}", age) else 0.0), SHORTEST_S), LONGEST_S)
