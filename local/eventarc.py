"""Eventarc on one machine: an object resource becomes the CloudEvent that a storage trigger receives.

Enters: the object resource of a new generation (JSON API form). Leaves: an HTTP POST in CloudEvents binary mode.
Source of the form: https://cloud.google.com/eventarc/docs/cloudevents and an event recorded in the cloud.

Keeps: headers, body, retry on every answer that is not 2xx (``local.storage_events`` does the retrying).
Keeps not: the OIDC bearer token, the Pub/Sub topic in between, dead lettering.
"""

import hashlib
import json
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


def deliver_event(url: str, resource: dict[str, Any]) -> None:
    """Post the finalized event of an object; DeliveryError or requests.RequestException when it was not taken."""
    headers, body = finalized_event(resource)
    with requests.Session() as session:
        # A proxy from the environment has no business between two processes of one machine.
        session.trust_env = False
        response = session.post(url, data=body, headers=headers, timeout=DELIVERY_TIMEOUT_S, allow_redirects=False)
    if not 200 <= response.status_code < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise DeliveryError(f"the receiver answered {response.status_code}")


def finalized_event(resource: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event; a repeated delivery of one generation has the same id."""
    bucket = resource["bucket"]
    event_id = int.from_bytes(hashlib.sha256(resource["id"].encode()).digest()[:8])
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": str(event_id),
        "ce-time": resource["timeCreated"],
        "ce-type": FINALIZED,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        "ce-subject": quote(f"objects/{resource['name']}", safe=_HEADER_SAFE),
        "ce-bucket": bucket,
    }
    return headers, json.dumps(resource).encode()
