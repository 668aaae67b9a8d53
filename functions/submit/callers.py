"""Who is calling: the one door for identity.

In: an HTTP request. Out: a `Caller`, or a refusal. People show a Firebase ID token, of an anonymous account too;
systems show a Google ID token that was made for this API. google-auth verifies both by Google's public keys. On one
machine the unsigned tokens of Firebase's Auth emulator are taken instead, with the same claims.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import id_token

from shared.errors import ErrorCode, Rejected
from shared.requests import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from certificates import Certificates
    from flask import Request as HttpRequest
    from submit_settings import SubmitSettings

FIREBASE_ISSUER: Final = "https://securetoken.google.com/"
GOOGLE_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
APP_CHECK_ISSUER: Final = "https://firebaseappcheck.googleapis.com/"
APP_CHECK_KEYS: Final = "https://firebaseappcheck.googleapis.com/v1/jwks"
APP_CHECK_HEADER: Final = "X-Firebase-AppCheck"
#: A token with many claims has some 2000 characters; web servers read lines of 8 KiB.
MAX_TOKEN_CHARS: Final = 8192
#: What clocks may differ by.
CLOCK_SKEW_S: Final = 10
#: As Firebase makes ids. No ``:``, which is for systems, nothing that is more than one name in a path, and not the
#: scope of what belongs to everybody: that person's own words would be everybody's.
_UID: Final = re.compile(rf"(?!{PUBLIC}$)[A-Za-z0-9][A-Za-z0-9._-]{{0,127}}")
#: What a token that can't be read makes its readers raise; the last two by claims of odd types and deep nesting.
_UNREADABLE: Final = (ValueError, GoogleAuthError, TypeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who asks."""

    #: What stands as ``owner`` on every document: a person's uid, or ``system:{source}``, as that of its messages, or
    #: ``system:{e-mail}``.
    owner: str
    #: Whether it is an account without a name, which anybody gets any number of.
    is_anonymous: bool = False
    #: Whether it is a program of a partner.
    is_system: bool = False


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Tells callers apart, by the settings of a deployment."""

    settings: SubmitSettings
    certificates: Certificates
    now: Callable[[], datetime]

    def who_is_calling(self, request: HttpRequest) -> Caller:
        """The caller of an HTTP request.

        Raises:
            Rejected: there is no token, or it is not one that this deployment takes; the code is ``unauthenticated``.
            Retryable: Google's keys can't be fetched.
        """
        token = _bearer_token(request)
        claimed = _unverified(token)
        if _number(claimed.get("exp")) + CLOCK_SKEW_S < self.now().timestamp():
            raise _refused("The token has expired: get a new one.")
        if self.settings.unsigned_tokens:
            return self._person(claimed)
        if claimed.get("iss") in GOOGLE_ISSUERS:
            return self._system(token)
        self._person(claimed)  # what claims to be no person of this project has nothing to be verified
        project = self.settings.google_cloud_project
        person = self._person(self._verified(id_token.verify_firebase_token, token, audience=project))
        if self.settings.app_check_project_number:
            self._check_app(request)
        return person

    def _verified(self, verify: Callable[..., Mapping[str, Any]], token: str, *, audience: object) -> Mapping[str, Any]:
        try:
            return verify(token, self.certificates, audience=audience, clock_skew_in_seconds=CLOCK_SKEW_S)
        except _UNREADABLE as exc:
            raise _not_taken() from exc

    def _person(self, claims: Mapping[str, Any]) -> Caller:
        project, uid = self.settings.google_cloud_project, claims.get("sub")
        if (claims.get("aud"), claims.get("iss")) != (project, FIREBASE_ISSUER + project):
            raise _not_taken()
        if not isinstance(uid, str) or not _UID.fullmatch(uid):
            raise _not_taken()
        firebase = claims.get("firebase")
        provider = firebase.get("sign_in_provider") if isinstance(firebase, dict) else None
        return Caller(owner=uid, is_anonymous=provider == "anonymous")

    def _system(self, token: str) -> Caller:
        """Any account of Google's can make a token for any audience, so those that may come are named."""
        audiences = list(self.settings.api_audiences)
        if not audiences:  # google-auth would take it that any will do
            raise _not_taken()
        claims = self._verified(id_token.verify_oauth2_token, token, audience=audiences)
        email = claims.get("email")
        owner = self.settings.system_owners.get(email) if isinstance(email, str) else None
        if owner is None or claims.get("email_verified") is not True:
            raise _refused("This account is not among the systems that may call this API.")
        return Caller(owner=owner, is_system=True)

    def _check_app(self, request: HttpRequest) -> None:
        """That a person comes with an app of this project, not with a program of their own (Firebase App Check)."""
        number = self.settings.app_check_project_number
        try:
            keys = json.loads(self.certificates(APP_CHECK_KEYS).data)["keys"]
            certs = {each["kid"]: _pem(each) for each in keys if each["kty"] == "RSA"}
            token = request.headers.get(APP_CHECK_HEADER, "")[:MAX_TOKEN_CHARS]
            claims = jwt.decode(token, certs=certs, clock_skew_in_seconds=CLOCK_SKEW_S)
        except (*_UNREADABLE, KeyError) as exc:
            raise _refused(f"Come with the app: {APP_CHECK_HEADER} is missing or not valid.") from exc
        audiences = claims.get("aud")
        is_ours = isinstance(audiences, list) and f"projects/{number}" in audiences
        if claims.get("iss") != f"{APP_CHECK_ISSUER}{number}" or not is_ours:
            raise _refused(f"Come with the app: {APP_CHECK_HEADER} is of another project.")


def challenge(request: HttpRequest) -> str:
    """What ``WWW-Authenticate`` says to who was refused (RFC 6750)."""
    scheme = 'Bearer realm="life-as-not-me"'
    return f'{scheme}, error="invalid_token"' if request.headers.get("Authorization") else scheme


def _bearer_token(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("Say who you are: Authorization: Bearer, and an ID token.")
    if len(token) > MAX_TOKEN_CHARS:
        raise _not_taken()
    return token.strip()


def _unverified(token: str) -> Mapping[str, Any]:
    """What a token says of itself; nothing is granted by it."""
    try:
        claims: object = jwt.decode(token, verify=False)
    except _UNREADABLE as exc:
        raise _not_taken() from exc
    if not isinstance(claims, dict):
        raise _not_taken()
    return claims


def _number(claim: object) -> float:
    """A time in seconds since 1970; 0, which is long ago, where it is none."""
    return claim if isinstance(claim, int | float) else 0.0


def _pem(key: Mapping[str, str]) -> str:
    """A JSON Web Key (RFC 7517) of RSA in the form that google-auth reads."""

    def number(text: str) -> int:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")

    public = RSAPublicNumbers(e=number(key["e"]), n=number(key["n"])).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _not_taken() -> Rejected:
    return _refused("The token is not one that this API takes.")


def _refused(detail: str) -> Rejected:
    return Rejected(detail, code=ErrorCode.UNAUTHENTICATED)
