"""Wishes as a test types them, and what the door says to them."""

import json
from typing import Any

import pytest

from shared.errors import ErrorCode, Rejected
from shared.requests import Offer, Request, parse_request
from shared.testing import AN_OFFER

TWO_MODELS = Offer(served=("wan2.1-t2v-1.3b", "pocket"), seed_pool=8)


def parsed(*, offer: Offer = AN_OFFER, **fields: Any) -> Request:
    return parse_request(json.dumps({"perspective": "curious-cat", **fields}), offer=offer)


def rejection(body: bytes | str, *, offer: Offer = AN_OFFER) -> Rejected:
    with pytest.raises(Rejected) as caught:
        parse_request(body, offer=offer)
    return caught.value


def faults(*, offer: Offer = AN_OFFER, **fields: Any) -> dict[str, str]:
    """The code of each faulty field."""
    rejected = rejection(json.dumps({"perspective": "curious-cat", **fields}), offer=offer)
    assert rejected.code is ErrorCode.INVALID_REQUEST
    return {fault.field: fault.code for fault in rejected.faults}
