"""A throwaway service account that signs URLs on one machine.

Enters: a path. Leaves: a service account file in Google's form, readable by its owner only, whose RSA-2048 key signs V4
URLs through ``google.oauth2.service_account.Credentials.from_service_account_file``; and the public key that verifies
them. It opens nothing in the cloud: no Google account knows this key.
"""

import json
import os
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PROJECT_ID = "life-as-not-me"
CLIENT_EMAIL = f"local-signer@{PROJECT_ID}.iam.gserviceaccount.com"
_KEY_BITS = 2048


class SigningKeyError(Exception):
    """The key file is neither a service account file nor a PEM public key."""


def make_signing_key(path: Path, *, client_email: str = CLIENT_EMAIL) -> Path:
    """Write a new service account file with mode 0600, or leave the one that is there; return the path."""
    if path.exists():
        return path
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": PROJECT_ID,
        "private_key_id": uuid.uuid4().hex,
        "private_key": private_pem.decode(),
        "client_email": client_email,
        "client_id": "0",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Born with its mode and moved into place whole: nobody reads it early, and of two makers one key stays.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(account, file, indent=2)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path


def public_key_pem(path: Path) -> str:
    """The PEM public key in a service account file, or in a PEM file; SigningKeyError when it is neither."""
    text = path.read_text(encoding="utf-8")
    try:
        if "BEGIN PUBLIC KEY" in text:
            public = serialization.load_pem_public_key(text.encode())
        else:
            private = serialization.load_pem_private_key(json.loads(text)["private_key"].encode(), password=None)
            public = private.public_key()
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        msg = f"{path} is neither a service account file nor a PEM public key"
        raise SigningKeyError(msg) from exc
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
