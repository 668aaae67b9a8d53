"""Keys of our own in Google's place: a server of certificates on this machine, and tokens that they sign."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from callers import Callers
from certificates import Certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from flask import Request
from google.auth import crypt, jwt, transport
from google.auth.transport import requests as google_transport
from submit_settings import SubmitSettings
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from local.tokens import PROJECT
from shared.settings import read_settings
from shared.testing import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AUDIENCE = "https://us-central1-life-as-not-me.example/submit"
KIOSK = "kiosk@museum.iam.gserviceaccount.com"
PROJECT_NUMBER = "123456789012"
FIREBASE_CERTS = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
GOOGLE_CERTS = "/oauth2/v1/certs"
APP_CHECK_KEYS = "/v1/jwks"


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """A key of that name; the same for all tests."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(name: str) -> str:
    """Of that key, self-signed, as PEM."""
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(whose)
        .issuer_name(whose)
        .public_key(private_key(name).public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(private_key(name), hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def jwk(name: str) -> dict[str, str]:
    """The public half of that key as a JSON Web Key."""
    numbers = private_key(name).public_key().public_numbers()

    def text(number: int) -> str:
        return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode().rstrip("=")

    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": text(numbers.n), "e": text(numbers.e)}


@cache
def _signer(key: str, key_id: str) -> crypt.RSASigner:
    pem = private_key(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return crypt.RSASigner.from_string(pem, key_id=key_id)


def signed(claims: dict[str, Any], *, key: str, key_id: str | None = None) -> str:
    """A token that this key signs."""
    return str(jwt.encode(_signer(key, key_id or key), claims), "ascii")


def claims_of_a_person(uid: str = "ada", *, provider: str = "google.com", **changed: Any) -> dict[str, Any]:
    """As Firebase writes them; ``None`` leaves one out."""
    now = int(time.time())
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "auth_time": now - 60,
        "user_id": uid,
        "sub": uid,
        "iat": now - 60,
        "exp": now + 3540,
        "firebase": {"identities": {}, "sign_in_provider": provider},
    } | changed
    return {name: claim for name, claim in claims.items() if claim is not None}


def claims_of_a_system(email: str = KIOSK, **changed: Any) -> dict[str, Any]:
    """As Google writes them for a service account; ``None`` leaves one out."""
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "1234567890",
        "email": email,
        "email_verified": True,
        "sub": "1234567890",
        "iat": now - 60,
        "exp": now + 3540,
    } | changed
    return {name: claim for name, claim in claims.items() if claim is not None}


def claims_of_an_app(**changed: Any) -> dict[str, Any]:
    """As Firebase App Check writes them."""
    now = int(time.time())
    return {
        "iss": f"https://firebaseappcheck.googleapis.com/{PROJECT_NUMBER}",
        "aud": [f"projects/{PROJECT_NUMBER}", f"projects/{PROJECT}"],
        "sub": "1:123456789012:web:abc",
        "iat": now - 60,
        "exp": now + 3540,
    } | changed


class KeyServer(transport.Request):  # type: ignore[misc]  # google-auth has no types
    """What a fetch gets: the answers of a real server on this machine, whatever host was asked for."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._network = google_transport.Request()
        #: How often each path was asked for.
        self.asked: Counter[str] = Counter()
        self.status = 200
        self.headers = {"Cache-Control": "public, max-age=3600, must-revalidate, no-transform"}
        self.bodies: dict[str, object] = {
            FIREBASE_CERTS: {"firebase": certificate("firebase")},
            GOOGLE_CERTS: {"google": certificate("google")},
            APP_CHECK_KEYS: {"keys": [jwk("app-check")]},
        }

    def __call__(self, url: str, method: str = "GET", **options: Any) -> transport.Response:
        answer: transport.Response = self._network(self._url + urlsplit(url).path, method=method, **options)
        return answer


@contextmanager
def serve_keys() -> Iterator[KeyServer]:
    """Run the server of certificates."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.asked[self.path] += 1
            body = keys.bodies[self.path]
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(keys.status)
            for name, text in keys.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    keys = KeyServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield keys
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        keys._network.session.close()


def callers_by(keys: KeyServer, environ: Mapping[str, str] | None = None) -> Callers:
    """The door of a deployment whose keys these are."""
    settings = {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "ARTIFACT_BUCKET": "videos",
        "API_AUDIENCES": AUDIENCE,
        "SYSTEM_CALLERS": KIOSK,
    }
    return Callers(
        settings=read_settings(SubmitSettings, {**settings, **(environ or {})}),
        certificates=Certificates(keys, monotonic=Clock().monotonic),
        now=lambda: datetime.now(UTC),
    )


def a_call(token: str | None, **headers: str) -> Request:
    """A request that shows this token."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if token is not None:
        named["Authorization"] = f"Bearer {token}"
    return Request(EnvironBuilder(path="/jobs", headers=Headers(named)).get_environ())
