"""A Pub/Sub message as a function gets it: whatever is posted, there is something to refuse or to read."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from shared.pushes import Push, read_push

DATA = b'{"render_key": "\xc3\xa4"}'


def test_a_message_is_read_with_its_attributes_and_its_id() -> None:
    event = {
        "message": {
            "data": base64.b64encode(DATA).decode(),
            "attributes": {"source": "reels"},
            "messageId": "12",
            "publishTime": "2026-01-01T00:00:00Z",
        },
        "subscription": "projects/p/subscriptions/s",
    }
    assert read_push(event, event_id="event-1") == Push(
        data=DATA, attributes={"source": "reels"}, message_id="12", published_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_the_older_spelling_of_the_id_is_read_too() -> None:
    assert read_push({"message": {"message_id": "13"}}, event_id="event-1").message_id == "13"


def test_the_same_message_has_the_same_id_in_every_delivery_even_where_it_has_none() -> None:
    assert read_push({"message": {"data": ""}}, event_id="event-1").message_id == "event-1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("publishTime", "2026-11-23T07:03:57.25Z"),
        ("publish_time", "2026-11-23T07:03:57.250Z"),
        ("publishTime", "2026-11-23T07:03:57.250000001Z"),
        ("publishTime", "2026-11-23T08:03:57.25+01:00"),
        ("publishTime", "2026-11-23T07:03:57.25"),
    ],
)
def test_the_time_of_publishing_is_read_in_every_spelling(name: str, text: str) -> None:
    published_at = read_push({"message": {name: text}}, event_id="event-1").published_at
    assert published_at == datetime(2026, 11, 23, 7, 3, 57, 250_000, tzinfo=UTC)
    assert published_at.utcoffset() in {timedelta(0), timedelta(hours=1)}


@pytest.mark.parametrize("text", [None, "", "soon", 5, ["2026-11-23T07:03:57Z"], True])
def test_a_time_of_publishing_that_cannot_be_read_is_none(text: object) -> None:
    assert read_push({"message": {"publishTime": text}}, event_id="event-1").published_at is None


@pytest.mark.parametrize("event_data", [None, "text", 5, [], {}, {"message": None}, {"message": "x"}, {"message": []}])
def test_what_holds_no_message_is_read_as_an_empty_one(event_data: object) -> None:
    assert read_push(event_data, event_id="event-1") == Push(data=b"", attributes={}, message_id="event-1")


@pytest.mark.parametrize("data", [None, "", "not base64!", "ä", "YQ", 5, ["YQ=="], {"a": 1}, True])
def test_data_that_cannot_be_read_is_empty(data: object) -> None:
    assert read_push({"message": {"data": data}}, event_id="event-1").data == b""


@pytest.mark.parametrize("attributes", [None, "source", ["source"], 5])
def test_attributes_that_are_none_are_empty(attributes: object) -> None:
    assert read_push({"message": {"attributes": attributes}}, event_id="event-1").attributes == {}


def test_attributes_that_are_no_text_are_left_out() -> None:
    push = read_push({"message": {"attributes": {"source": 5, "traceparent": "00"}}}, event_id="event-1")
    assert push.attributes == {"traceparent": "00"}


def test_half_a_character_in_the_id_of_a_message_is_no_reason_to_deliver_it_for_ever() -> None:
    push = read_push({"message": {"data": "e30=", "messageId": "\ud800"}}, event_id="1")

    assert push.message_id == "\\ud800"
