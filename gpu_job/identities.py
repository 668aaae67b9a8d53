"""Where a worker has its signing identity from: a file, or a secret in Google's Secret Manager.

Enters: the setting ``SIGNING_IDENTITY``. Leaves: an `Identity`, held in memory only.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import google.auth
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from gpu_job.provenance import IdentityError, identity_of
from gpu_job.worker_settings import VERSION_PATTERN

if TYPE_CHECKING:
    from gpu_job.provenance import Identity

log = logging.getLogger(__name__)

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SERVER = "https://secretmanager.googleapis.com"
#: For another server that answers as Secret Manager does.
HOST_VARIABLE = "SECRET_MANAGER_EMULATOR_HOST"
TIMEOUT_S = 10
#: A key and three certificates have 8 kB.
MAX_BYTES = 65_536


def read_identity(setting: str | None) -> Identity | None:
    """Who signs; None where nobody was named, or where the secret that was named has no version yet.

    Raises:
        IdentityError: it can't be read, or it can't sign.
    """
    if setting is None:
        return None
    pem = _secret(setting) if re.fullmatch(VERSION_PATTERN, setting) else _file(Path(setting))
    if pem is None:
        log.warning("videos are not signed: the secret has no version", extra={"action": "sign", "secret": setting})
        return None
    return identity_of(pem)


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _text(file.read(MAX_BYTES + 1))
    except OSError as exc:
        raise IdentityError(f"The signing identity {path} can't be read: {exc.strerror}.") from exc


def _secret(name: str) -> str | None:
    """By Secret Manager's REST interface, for which there is all that it needs in the image."""
    server = os.environ.get(HOST_VARIABLE)
    try:
        session = AuthorizedSession(AnonymousCredentials() if server else google.auth.default(scopes=[SCOPE])[0])
        answer = session.get(f"{server or SERVER}/v1/{name}:access", timeout=TIMEOUT_S)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        answer.raise_for_status()
        return _text(base64.b64decode(answer.json()["payload"]["data"], validate=True))
    except (requests.RequestException, GoogleAuthError) as exc:
        raise IdentityError(f"The signing identity {name} can't be fetched: {exc}") from exc
    except (KeyError, TypeError, binascii.Error) as exc:
        raise IdentityError(f"The signing identity {name} came in another form than Secret Manager's.") from exc


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise IdentityError(f"A signing identity has {MAX_BYTES} bytes at most.")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as exc:
        raise IdentityError("A signing identity is PEM, which is ASCII.") from exc
