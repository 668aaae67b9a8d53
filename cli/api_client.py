"""The API as a client sees it. Enters: an address. Leaves: jobs, links, files; and errors that people can read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import requests
from pydantic import ValidationError

from local.tokens import local_token
from shared.documents import FINAL, Job
from shared.estimates import Eta
from shared.telemetry import traceparent_or_new
from shared.tracing import traceparent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TIMEOUT_S = 10.0
#: How often a job is looked at: often at first, then as often as workers write.
POLL_S = (0.2, 2.0)
#: For so long an API that does not answer is asked again.
PATIENCE_S = 60.0
_CHUNK_BYTES = 1 << 16
_STRANGER = "What answers at {url} is no Life As Not Me."
_WHO_HINT = "Give an ID token with --token or in LIFEASNOTME_TOKEN; docs/api.md says how to get one."
_HINT = "A system on this machine is started by `lifeasnotme up`."


class ApiError(Exception):
    """The API refused, or did not answer. The message is for people and names every fault."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A job at a moment."""

    job: Job
    #: How many renders go first; None when it does not wait in the queue.
    queue_position: int | None
    #: When it will be final, in seconds; None where nobody knows.
    eta: Eta | None = None
    #: When bulk goes on, in words of the API; None when it does not have to wait.
    paused_until: str | None = None


class ApiClient:
    """Talks to one deployment, local or not.

    Args:
        url: where it is.
        token: an ID token, of whom it takes; a system on this machine takes one that is made here.
    """

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        token = token or (local_token() if _is_here(self.url) else None)
        # Not the session's: it goes to signed links too, and who keeps the files shall not get it.
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = requests.Session()
        self._has_answered = False

    def submit(self, wish: Mapping[str, object], *, idempotency_key: str) -> Seen:
        """``POST /jobs``. Sent again when no answer came: the key makes it one wish.

        It is the begin of a trace, or a part of the span around it.
        """
        body = {name: value for name, value in wish.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key, "traceparent": traceparent_or_new(traceparent())}
        return _seen(self._answer("POST", "/jobs", json=body, headers=headers))

    def job(self, job_id: str) -> Seen:
        """``GET /jobs/{id}``."""
        return _seen(self._answer("GET", f"/jobs/{job_id}"))

    def watch(self, job_id: str) -> Iterator[Seen]:
        """The job again and again until it is final."""
        pause_s = POLL_S[0]
        while True:
            seen = self.job(job_id)
            yield seen
            if seen.job.status in FINAL:
                return
            time.sleep(pause_s)
            pause_s = min(POLL_S[1], pause_s * 1.2)

    def catalogue(self, kind: str) -> list[dict[str, Any]]:
        """``GET /perspectives``, ``/themes`` or ``/models``."""
        entries = self._answer("GET", f"/{kind}").get(kind)
        if not isinstance(entries, list):
            raise ApiError(_STRANGER.format(url=self.url))
        return entries

    def receipt(self, job_id: str) -> dict[str, Any]:
        """The receipt of a completed job."""
        link = self._answer("GET", f"/jobs/{job_id}/receipt")["url"]
        answer = self._session.get(link, timeout=TIMEOUT_S)
        if not answer.ok:
            raise ApiError(f"The receipt can't be fetched: {answer.status_code} {answer.reason}")
        receipt: dict[str, Any] = answer.json()
        return receipt

    def save_video(self, job_id: str, path: Path, *, artifact: Literal["video", "human-view"] = "video") -> None:
        """Fetch one of its videos into a file: whole, or not at all."""
        link = self._answer("GET", f"/jobs/{job_id}/{artifact}")["url"]
        part = path.with_name(f".{path.name}.part")
        try:
            with self._session.get(link, timeout=TIMEOUT_S, stream=True) as answer, part.open("wb") as file:
                if not answer.ok:
                    raise ApiError(f"The video can't be fetched: {answer.status_code} {answer.reason}")
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
            part.replace(path)
        except requests.RequestException as exc:
            raise ApiError(f"The video can't be fetched: {type(exc).__name__}") from exc
        except OSError as exc:
            raise ApiError(f"The video can't be saved: {exc}") from exc
        finally:
            part.unlink(missing_ok=True)

    def _answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - of requests
    ) -> dict[str, Any]:
        named = {**self._headers, **(headers or {})}
        give_up_at = time.monotonic() + PATIENCE_S
        pause_s = 0.5
        while True:
            is_last = time.monotonic() > give_up_at
            try:
                answer = self._session.request(method, self.url + path, timeout=TIMEOUT_S, headers=named, **options)
                self._has_answered = True
                if is_last or answer.status_code not in {502, 503, 504} or _is_for_later(answer):
                    break
            except (requests.ConnectionError, requests.Timeout) as exc:
                # One that has answered before is asked again; one that never did is not there.
                if is_last or not self._has_answered:
                    raise ApiError(f"Nothing answers at {self.url}. Is that the address? {_HINT}") from exc
            except requests.RequestException as exc:
                raise ApiError(f"{self.url} can't be asked: {exc}") from exc
            time.sleep(pause_s)
            pause_s = min(5.0, pause_s * 2)
        try:
            body = answer.json()
        except ValueError as exc:
            raise ApiError(_STRANGER.format(url=self.url)) from exc
        if not isinstance(body, dict) or (not answer.ok and "code" not in body):
            raise ApiError(_STRANGER.format(url=self.url))
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise ApiError(f"{_problem(body)}\n{_WHO_HINT}")
        if not answer.ok:
            raise ApiError(_problem(body))
        found: dict[str, Any] = body
        return found


def _is_here(url: str) -> bool:
    """Whether that is an address of this machine."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def _is_for_later(answer: requests.Response) -> bool:
    """Whether it says that asking again is in vain for longer than anybody waits here."""
    text = answer.headers.get("Retry-After", "")
    return text.isdigit() and int(text) > PATIENCE_S


def _seen(body: dict[str, Any]) -> Seen:
    document = {name: value for name, value in body.items() if name in Job.model_fields}
    try:
        return Seen(
            job=Job.model_validate(document),
            queue_position=body.get("queue_position"),
            eta=Eta(**body["eta"]) if body.get("eta") else None,
            paused_until=body.get("paused_until"),
        )
    except (ValidationError, TypeError) as exc:
        raise ApiError("The answer is no job: is that a Life As Not Me, and of this version?") from exc


def _problem(body: dict[str, Any]) -> str:
    """Problem details as text, a line a fault."""
    lines = [f"{body.get('title', 'Refused')}." if body.get("errors") else f"{body.get('title')}. {body.get('detail')}"]
    lines += [f"  {fault['field'] or 'body'}: {fault['message']}" for fault in body.get("errors", [])]
    return "\n".join(lines)
