"""A throwaway service account that signs URLs on one machine.

Enters: a path. Leaves: a service account file in Google's form, readable by its owner only, whose RSA-2048 key signs V4
URLs through ``google.oauth2.service_account.Credentials.from_service_account_file``; and the public key that verifies
them. It opens nothing in the cloud: no Google account knows this key.
"""

import contextlib
import json
import os
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.errors import LocalStackError
from local.tokens import PROJECT

CLIENT_EMAIL = f"local-signer@{PROJECT}.iam.gserviceaccount.com"
_KEY_BITS = 2048


class SigningKeyError(LocalStackError):
    """The key file is no service account file."""


def make_signing_key(path: Path) -> Path:
    """Write a new service account file with mode 0600, or leave the one that is there; return the path."""
    if path.exists():
        return path
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    private_pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": uuid.uuid4().hex,
        "private_key": private_pem.decode(),
        "client_email": CLIENT_EMAIL,
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
    with contextlib.suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()
    return path


def read_public_key(path: Path) -> rsa.RSAPublicKey:
    """The public half of the key in a service account file; SigningKeyError when it is none."""
    try:
        pem = json.loads(path.read_text(encoding="utf-8"))["private_key"]
        private_key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise SigningKeyError(f"{path} is no service account file.") from exc
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise SigningKeyError(f"{path} holds no RSA key.")
    return private_key.public_key()
