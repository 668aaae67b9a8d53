"""ID tokens for one machine: unsigned, as Firebase's Auth emulator makes them. No deployment in the cloud takes them.

In: who. Out: a token with the claims of a real one, for the API and for the Firestore emulator.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Final

PROJECT: Final = "life-as-not-me"
#: Whoever sits at this machine.
HERE: Final = "me"
#: A system that was started stays as it is for days; a real token lasts an hour.
LIFETIME_S: Final = 30 * 86_400


def local_token(
    uid: str = HERE,
    *,
    project: str = PROJECT,
    provider: str = "custom",
    issued_at_s: float | None = None,
    lifetime_s: float = LIFETIME_S,
    **claims: object,
) -> str:
    """A token of that person. ``provider`` is how they have signed in: ``anonymous`` for an account without a name."""
    issued_at = int(time.time() if issued_at_s is None else issued_at_s)
    content = {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "auth_time": issued_at,
        "user_id": uid,
        "sub": uid,
        "iat": issued_at,
        "exp": issued_at + int(lifetime_s),
        "firebase": {"identities": {}, "sign_in_provider": provider},
    }
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(content | claims)}."


def local_headers(uid: str = HERE) -> dict[str, str]:
    """What a request to the API of this machine is sent with."""
    return {"Authorization": f"Bearer {local_token(uid)}"}


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
