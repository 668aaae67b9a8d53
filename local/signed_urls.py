"""Verification of V4 signed URLs (GOOG4-RSA-SHA256) for reading.

Enters: a GET or HEAD as it came over the wire. Leaves: nothing, or a ``SignedUrlError``, Google's XML error.
Source: https://cloud.google.com/storage/docs/authentication/signatures and /authentication/canonical-requests.

Keeps: the canonical request and its RSA signature, signed headers (the host too: a URL for localhost is none for
127.0.0.1), expiry, the limit of seven days. A URL signed for GET also serves HEAD.
Keeps not: the check that the account of X-Goog-Credential may read the object, HMAC keys, V2 signatures.
"""

import binascii
import hashlib
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

ALGORITHM = "GOOG4-RSA-SHA256"
#: https://cloud.google.com/storage/docs/access-control/signed-urls
_LONGEST_EXPIRY_S = 604_800
#: A signer's clock may be ahead by this much.
_CLOCK_SKEW = timedelta(minutes=15)
_CREDENTIAL = re.compile(r"[^/]+/(\d{8}/[a-z0-9-]+/storage/goog4_request)")


class SignedUrlError(HTTPException):
    """The URL does not open the object; ``xml_code`` is Google's word for the reason."""

    def __init__(self, status: int, xml_code: str, details: str) -> None:
        super().__init__(details)
        self.code = status
        self.xml_code = xml_code


def verify_signed_url(request: Request, key: rsa.RSAPublicKey, *, now: datetime) -> None:
    """Raise SignedUrlError unless the request's URL was signed with the key's private half and ``now`` is in time."""
    given = request.args
    scope = _CREDENTIAL.fullmatch(given.get("X-Goog-Credential", ""))
    date = given.get("X-Goog-Date", "")
    if given.get("X-Goog-Algorithm") != ALGORITHM:
        raise _malformed("X-Goog-Algorithm", f"must be {ALGORITHM}")
    if scope is None or not scope[1].startswith(date[:8]):
        raise _malformed("X-Goog-Credential", "is not ACCOUNT/DATE/LOCATION/storage/goog4_request")
    _check_time(date, given.get("X-Goog-Expires", ""), now)
    canonical_hash = hashlib.sha256(_canonical_request(request).encode()).hexdigest()
    string_to_sign = "\n".join((ALGORITHM, date, scope[1], canonical_hash))
    try:
        signature = binascii.unhexlify(given.get("X-Goog-Signature", ""))
        key.verify(signature, string_to_sign.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError) as exc:
        details = "The request signature we calculated does not match the signature you provided."
        raise SignedUrlError(403, "SignatureDoesNotMatch", details) from exc


def _canonical_request(request: Request) -> str:
    # Decoded by werkzeug and encoded again: clients differ in which characters they leave alone.
    resource = quote(request.path, safe="/~")
    parameters = [item for item in request.args.items(multi=True) if item[0] != "X-Goog-Signature"]
    query = "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in parameters))
    signed_headers = request.args.get("X-Goog-SignedHeaders", "")
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed_headers.split(";")]
    payload = request.headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    return "\n".join(("GET", resource, query, "".join(headers), signed_headers, payload))


def _check_time(date: str, expires: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as exc:
        raise _malformed("X-Goog-Date", "is not of the form YYYYMMDDTHHMMSSZ") from exc
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= _LONGEST_EXPIRY_S:
        raise _malformed("X-Goog-Expires", f"is not between 1 and {_LONGEST_EXPIRY_S} seconds")
    if signed_at - _CLOCK_SKEW > now:
        raise SignedUrlError(403, "AccessDenied", "Request is not valid yet.")
    expires_at = signed_at + timedelta(seconds=int(expires))
    if now >= expires_at:
        raise SignedUrlError(400, "ExpiredToken", f"Request signature expired at: {expires_at.isoformat()}")


def _malformed(parameter: str, what: str) -> SignedUrlError:
    return SignedUrlError(400, "MalformedSecurityHeader", f"{parameter} {what}.")
