"""Eventarc on one machine: an object resource becomes the CloudEvent that a storage trigger receives.

Enters: the object resource of a new generation (JSON API form). Leaves: an HTTP POST in CloudEvents binary mode.
Source of the form: https://cloud.google.com/eventarc/docs/cloudevents and the event recorded in the project's notes.

Keeps: headers, body, retry on every answer that is not 2xx (the storage emulator's spool does the retrying).
Keeps not: the OIDC bearer token, the Pub/Sub topic in between, dead lettering.
"""

import hashlib
import json
import threading
from typing import Any
from urllib.parse import quote

import requests

FINALIZED = "google.cloud.storage.object.v1.finalized"
#: A function that hangs must not hold up the events behind it for longer; the event comes again.
DELIVERY_TIMEOUT_S = 30.0

# The HTTP binding of CloudEvents: printable ASCII stays, except space, quote and percent.
_HEADER_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class DeliveryError(Exception):
    """The receiver answered, but not with 2xx: deliver again."""


def event_id_of(resource: dict[str, Any]) -> str:
    """The same digits for the same (bucket, name, generation), so that a receiver can tell a repeated delivery."""
    identity = json.dumps([resource["bucket"], resource["name"], str(resource["generation"])])
    return str(int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8]))


def finalized_event(resource: dict[str, Any], *, event_id: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event."""
    bucket = resource["bucket"]
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-time": resource["timeCreated"],
        "ce-type": FINALIZED,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        "ce-subject": quote(f"objects/{resource['name']}", safe=_HEADER_SAFE),
        "ce-bucket": bucket,
    }
    return headers, json.dumps(resource).encode()


class HttpDelivery:
    """Posts events to one URL over a kept connection. Call it from one thread at a time."""

    def __init__(self, url: str, *, timeout_s: float = DELIVERY_TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # A proxy from the environment has no business between two processes of one machine.
        self._session.trust_env = False
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> None:
        """Deliver the object resource; DeliveryError or requests.RequestException when it was not taken."""
        headers, body = finalized_event(event, event_id=event_id_of(event))
        with self._lock:
            response = self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout_s, allow_redirects=False
            )
        if not response.ok or response.is_redirect:
            msg = f"the receiver answered {response.status_code}"
            raise DeliveryError(msg)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def deliver_by_http(url: str, *, timeout_s: float = DELIVERY_TIMEOUT_S) -> HttpDelivery:
    """A deliver callable for the storage emulator."""
    return HttpDelivery(url, timeout_s=timeout_s)
