"""Content Credentials: a signature in a video or a picture that says who made it and that a machine did.

Enters: a file and what it is. Leaves: the same picture with a C2PA manifest in it, bound to its bytes: whoever changes
them breaks it. The manifest names the receipt by its hash, so that neither can be exchanged. Method: Content
Credentials 2.2, https://spec.c2pa.org; the signing is c2pa-rs's, by ``c2pa-python``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import c2pa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from shared.errors import LifeAsNotMeError, Retryable
from shared.receipts import DIGITAL_SOURCE_TYPE, RECEIPT_ASSERTION

if TYPE_CHECKING:
    from pathlib import Path

MP4: Final = "video/mp4"
JPEG: Final = "image/jpeg"
_BEGIN_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
#: No file is read again only to make a small picture of it, and nothing is asked of any network.
_SETTINGS: Final[dict[str, Any]] = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}
#: The smallest picture there is, to try a key with.
_TRIAL_EDGE: Final = 8


class IdentityError(LifeAsNotMeError):
    """What shall sign can't; the message says why and holds nothing of the key."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who signs."""

    #: In PEM, PKCS #8, without a password.
    private_key: str = field(repr=False)
    #: In PEM: the signer's own, then those that vouch for it.
    certificates: str
    #: As C2PA names it, such as ``es256``.
    algorithm: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a manifest says of a file."""

    title: str
    render_key: str
    attempt: str
    #: SHA-256 of the receipt as it lies in the bucket, in hexadecimal; None: there is none yet.
    receipt_sha256: str | None = None


def identity_of(pem: str) -> Identity:
    """The identity in a PEM text: a private key, then its certificates.

    Raises:
        IdentityError: it holds none, or none that C2PA takes; a trial signature showed it.
    """
    at = pem.find(_BEGIN_CERTIFICATE)
    if "PRIVATE KEY-----" not in pem[: max(at, 0)]:
        raise IdentityError("A signing identity is a private key in PEM, followed by its certificates.")
    try:
        key = serialization.load_pem_private_key(pem[:at].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise IdentityError("The private key of the signing identity can't be read.") from exc
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    identity = Identity(private_key=plain.decode(), certificates=pem[at:], algorithm=_algorithm(key))
    _try(identity)
    return identity


def sign_video(path: Path, origin: Origin, *, identity: Identity) -> None:
    """Put a manifest into an MP4, in place; its frames stay as they are.

    Raises:
        Retryable: it can't be signed; a worker with another identity may.
    """
    part = path.with_name(f".{path.name}.signed")
    try:
        with path.open("rb") as source, part.open("w+b") as signed:
            _sign(source, signed, MP4, origin, identity=identity)
        part.replace(path)
    except OSError as exc:
        raise Retryable(f"The signed video can't be written: {exc.strerror}.") from exc
    finally:
        part.unlink(missing_ok=True)


def sign_picture(jpeg: bytes, origin: Origin, *, identity: Identity) -> bytes:
    """A JPEG with a manifest in it. Raises `Retryable` as `sign_video` does."""
    signed = io.BytesIO()
    _sign(io.BytesIO(jpeg), signed, JPEG, origin, identity=identity)
    return signed.getvalue()


def _sign(source: Any, signed: Any, kind: str, origin: Origin, *, identity: Identity) -> None:  # noqa: ANN401 - files
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            _signer(identity) as signer,
            c2pa.Builder.from_json(_manifest(origin, kind), context) as builder,
        ):
            builder.sign(signer, kind, source, signed)
    except c2pa.C2paError as exc:
        raise Retryable(f"It can't be signed: {exc}") from exc


def _signer(identity: Identity) -> c2pa.Signer:
    info = c2pa.C2paSignerInfo(
        identity.algorithm.encode(), identity.certificates.encode(), identity.private_key.encode(), None
    )
    return c2pa.Signer.from_info(info)


def _manifest(origin: Origin, kind: str) -> dict[str, Any]:
    created = {"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}
    receipt: dict[str, Any] = {"render_key": origin.render_key, "attempt": origin.attempt}
    if origin.receipt_sha256 is not None:
        receipt["receipt"] = {"alg": "sha256", "hash": origin.receipt_sha256}
    return {
        "title": origin.title,
        "format": kind,
        "claim_generator_info": [{"name": "Life As Not Me"}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": RECEIPT_ASSERTION, "data": receipt},
        ],
    }


def _algorithm(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
        if algorithm := curves.get(key.curve.name):
            return algorithm
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise IdentityError("C2PA signs with ECDSA on P-256, P-384 or P-521, with Ed25519 or with RSA.")


def _try(identity: Identity) -> None:
    """Sign something small and read it back: key and certificate belong together, and the certificate is of use."""
    from PIL import Image  # noqa: PLC0415 - only who signs needs it

    file = io.BytesIO()
    Image.new("RGB", (_TRIAL_EDGE, _TRIAL_EDGE)).save(file, "JPEG")
    origin = Origin(title="trial", render_key="trial", attempt="trial")
    try:
        signed = sign_picture(file.getvalue(), origin, identity=identity)
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Reader(JPEG, io.BytesIO(signed), context=context) as reader,
        ):
            if reader.get_validation_state() not in {"Valid", "Trusted"}:
                failures = ((reader.get_validation_results() or {}).get("activeManifest") or {}).get("failure", [])
                why = ", ".join(sorted({each["code"] for each in failures}))
                raise IdentityError(f"What the signing identity signs is not valid: {why}.")
    except (Retryable, c2pa.C2paError) as exc:
        raise IdentityError(f"The signing identity can't sign: {exc}") from exc
