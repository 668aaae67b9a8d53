"""``lifeasnotme verify``: what a video or a picture says of itself. Enters: a file. Leaves: sentences, or why not.

By the standard's own reader (c2pa-rs). What it finds in a file may have been written by anybody: it is shown as text.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import c2pa

from shared.receipts import DIGITAL_SOURCE_TYPE, RECEIPT_ASSERTION

if TYPE_CHECKING:
    from pathlib import Path

#: What the product makes, by the first bytes of a file; `ftyp` begins at the fifth.
_MP4, _JPEG = (4, b"ftyp", "video/mp4"), (0, b"\xff\xd8\xff", "image/jpeg")
#: As much as the largest chain of certificates.
MAX_TRUST_BYTES: Final = 1_000_000
#: Failures that are about who signed, not about what was signed.
_ABOUT_THE_SIGNER: Final = frozenset({"signingCredential.untrusted"})


class NotVerifiedError(Exception):
    """The file does not hold what it should; the message says why, for people, in one line."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a manifest says that was not changed since."""

    #: Organisation and name in the signer's certificate.
    signer: str
    #: Whether a certificate vouches for the signer that whoever asked trusts.
    is_trusted: bool
    is_made_by_ai: bool
    render_key: str | None
    receipt_sha256: str | None

    @property
    def sentences(self) -> list[str]:
        """For people."""
        trust = (
            "and the certificates that you named vouch for that name"
            if self.is_trusted
            else "a name that anybody can write: --trust CERTIFICATES says whether it is true"
        )
        lines = [f"Unchanged since it was signed by {self.signer}, {trust}."]
        lines.append("It says: made by AI." if self.is_made_by_ai else "It does not say that it was made by AI.")
        if self.render_key:
            receipt = (
                f"receipt with SHA-256 {self.receipt_sha256}" if self.receipt_sha256 else "no receipt yet: a preview"
            )
            lines.append(f"It says: render_key {self.render_key}, {receipt}.")
        return lines


def verify(path: Path, *, trust: Path | None = None, receipt: Path | None = None) -> Said:
    """Read and check a file's manifest.

    Args:
        path: an MP4 or a JPEG.
        trust: certificates in PEM; who signed must be one of them, or be vouched for by one.
        receipt: the receipt that must be the one the file names.

    Raises:
        NotVerifiedError: there is no manifest, the file was changed, or it is not as it must be.
    """
    settings: dict[str, Any] = {"verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}}
    if trust is not None:
        settings["trust"] = {"trust_anchors": _certificates(trust)}
    manifest, state, failures = _read(path, settings)
    if state not in {"Valid", "Trusted"}:
        raise NotVerifiedError(f"{path} was changed, or its signature is not valid: {', '.join(failures) or state}.")
    if trust is not None and state != "Trusted":
        raise NotVerifiedError(f"{path} is signed by {_signer(manifest)}, whom {trust} does not vouch for.")
    said = _said(manifest, is_trusted=trust is not None)
    if receipt is not None and _sha256(receipt) != said.receipt_sha256:
        raise NotVerifiedError(f"{receipt} is not the receipt that {path} names.")
    return said


def _read(path: Path, settings: dict[str, Any]) -> tuple[dict[str, Any], str, list[str]]:
    """The active manifest, its state and the codes of what failed."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            kind = next((kind for at, sign, kind in (_MP4, _JPEG) if head[at : at + len(sign)] == sign), None)
            if kind is None:
                raise NotVerifiedError(f"{path} is neither an MP4 nor a JPEG.")
            file.seek(0)
            with c2pa.Context.from_dict(settings) as context, c2pa.Reader(kind, file, context=context) as reader:
                found = json.loads(reader.json())
                state = reader.get_validation_state() or "Invalid"
    except OSError as exc:
        raise NotVerifiedError(f"{path} can't be read: {exc.strerror}.") from exc
    except c2pa.C2paError as exc:
        if str(exc).startswith("ManifestNotFound"):
            raise NotVerifiedError(f"{path} holds no Content Credentials: nothing says who made it.") from exc
        raise NotVerifiedError(f"The Content Credentials of {path} can't be read: {exc}") from exc
    results = (found.get("validation_results") or {}).get("activeManifest") or {}
    failures = {str(each.get("code")) for each in results.get("failure", [])} - _ABOUT_THE_SIGNER
    return found["manifests"][found["active_manifest"]], state, sorted(failures)


def _said(manifest: dict[str, Any], *, is_trusted: bool) -> Said:
    assertions = {each.get("label"): each.get("data") for each in manifest.get("assertions", [])}
    actions = next((data for label, data in assertions.items() if str(label).startswith("c2pa.actions")), None) or {}
    receipt = assertions.get(RECEIPT_ASSERTION) or {}
    return Said(
        signer=_signer(manifest),
        is_trusted=is_trusted,
        is_made_by_ai=any(each.get("digitalSourceType") == DIGITAL_SOURCE_TYPE for each in actions.get("actions", [])),
        render_key=receipt.get("render_key"),
        receipt_sha256=(receipt.get("receipt") or {}).get("hash"),
    )


def _signer(manifest: dict[str, Any]) -> str:
    signature = manifest.get("signature_info") or {}
    return f"{signature.get('common_name') or 'nobody named'} ({signature.get('issuer') or 'no organisation'})"


def _certificates(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TRUST_BYTES:
            raise NotVerifiedError(f"{path} holds no certificates: it is far too large.")
        text = path.read_text("ascii")
    except OSError as exc:
        raise NotVerifiedError(f"{path} can't be read: {exc.strerror}.") from exc
    except UnicodeDecodeError:
        text = ""
    if "BEGIN CERTIFICATE" not in text:
        raise NotVerifiedError(f"{path} holds no certificates in PEM.")
    return text


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise NotVerifiedError(f"{path} can't be read: {exc.strerror}.") from exc
