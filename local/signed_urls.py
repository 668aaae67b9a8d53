"""Verification of V4 signed URLs (GOOG4-RSA-SHA256).

Enters: a request as it came over the wire. Leaves: nothing, or a ``SignedUrlError`` that becomes Google's XML error.
Source: https://cloud.google.com/storage/docs/authentication/signatures and /authentication/canonical-requests.

Keeps: the canonical request and its RSA signature, signed headers (the host too: a URL for localhost is none for
127.0.0.1), expiry, the limit of seven days. A URL signed for GET also serves HEAD.
Keeps not: the check that the account of X-Goog-Credential may read the object, HMAC keys, V2 signatures.
"""

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALGORITHM = "GOOG4-RSA-SHA256"
#: https://cloud.google.com/storage/docs/access-control/signed-urls
_LONGEST_EXPIRY_S = 604_800
#: A signer's clock may be ahead by this much.
_CLOCK_SKEW = timedelta(minutes=15)
_PARAMETERS = (
    "X-Goog-Algorithm",
    "X-Goog-Credential",
    "X-Goog-Date",
    "X-Goog-Expires",
    "X-Goog-SignedHeaders",
    "X-Goog-Signature",
)
_CREDENTIAL = re.compile(r"[^/]+/(\d{8}/[a-z0-9-]+/storage/goog4_request)")


class SignedUrlError(Exception):
    """The URL does not open the object; ``extra`` are further XML elements that help to find out why."""

    def __init__(self, status: int, code: str, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.extra = extra


class UrlVerifier:
    """Verifies against one RSA public key (PEM); ValueError when the key is of another kind."""

    def __init__(self, public_key: str) -> None:
        key = serialization.load_pem_public_key(public_key.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            msg = "signed URLs need an RSA public key"
            raise ValueError(msg)  # noqa: TRY004 - the text is a key, of the wrong kind
        self._key = key

    def verify(
        self,
        *,
        method: str,
        path: str,
        parameters: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Raise SignedUrlError unless the request is signed and in time. ``path`` is percent-encoded or not."""
        given = dict(parameters)
        missing = [name for name in _PARAMETERS if name not in given]
        if missing:
            raise _malformed(missing[0], "is missing")
        if given["X-Goog-Algorithm"] != ALGORITHM:
            raise _malformed("X-Goog-Algorithm", f"must be {ALGORITHM}")
        scope = _CREDENTIAL.fullmatch(given["X-Goog-Credential"])
        if scope is None or not scope[1].startswith(given["X-Goog-Date"][:8]):
            raise _malformed("X-Goog-Credential", "is not ACCOUNT/DATE/LOCATION/storage/goog4_request")
        _check_time(given["X-Goog-Date"], given["X-Goog-Expires"], now)
        # HEAD is GET without the body: what opens the one opens the other.
        for verb in ("GET", "HEAD") if method == "HEAD" else (method,):
            canonical = _canonical_request(verb, path, parameters, headers, given["X-Goog-SignedHeaders"])
            digest = hashlib.sha256(canonical.encode()).hexdigest()
            string_to_sign = "\n".join((ALGORITHM, given["X-Goog-Date"], scope[1], digest))
            if self._is_signed(string_to_sign, given["X-Goog-Signature"]):
                return
        raise SignedUrlError(
            403,
            "SignatureDoesNotMatch",
            "Access denied.",
            Details="The request signature we calculated does not match the signature you provided. "
            "Check your Google secret key and signing method.",
            StringToSign=string_to_sign,
            CanonicalRequest=canonical,
        )

    def _is_signed(self, text: str, signature: str) -> bool:
        try:
            self._key.verify(binascii.unhexlify(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


def _canonical_request(
    method: str, path: str, parameters: Sequence[tuple[str, str]], headers: Mapping[str, str], signed_headers: str
) -> str:
    # Decoded and encoded again: clients differ in which characters they leave alone.
    resource = quote(unquote(path), safe="/~")
    query = "&".join(
        sorted(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in parameters if key != "X-Goog-Signature")
    )
    names = signed_headers.split(";")
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    payload = headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    return "\n".join((method, resource, query, lines, signed_headers, payload))


def _check_time(date: str, expires: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as exc:
        raise _malformed("X-Goog-Date", "is not of the form YYYYMMDDTHHMMSSZ") from exc
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= _LONGEST_EXPIRY_S:
        raise _malformed("X-Goog-Expires", f"is not between 1 and {_LONGEST_EXPIRY_S} seconds")
    if signed_at - _CLOCK_SKEW > now:
        raise SignedUrlError(403, "AccessDenied", "Access denied.", Details="Request is not valid yet.")
    expires_at = signed_at + timedelta(seconds=int(expires))
    if now >= expires_at:
        details = f"Request signature expired at: {expires_at.isoformat()}"
        raise SignedUrlError(400, "ExpiredToken", "The provided token has expired.", Details=details)


def _malformed(parameter: str, what: str) -> SignedUrlError:
    message = "Your request has a malformed header."
    return SignedUrlError(
        400, "MalformedSecurityHeader", message, ParameterName=parameter, Details=f"{parameter} {what}."
    )
