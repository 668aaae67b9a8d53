"""The composite indexes are those that the queries of the stores need, found by asking every query and sending none."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.aggregation import AggregationQuery
from google.cloud.firestore_v1.base_aggregation import SumAggregation
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.query import Query

from shared.batch_store.firestore import FirestoreBatchStore
from shared.crew_store.firestore import FirestoreCrewStore
from shared.documents import Status
from shared.job_store import Place
from shared.job_store.firestore import FirestoreJobStore
from shared.requests import Priority
from shared.testing import a_render
from tests.cloud.terraform_code import Code

CODE = Code()
#: A query, and the fields that are added up.
Asked = tuple[Query, tuple[str, ...]]
A_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
#: Something for each parameter of the methods of the stores; a new one is added here.
ARGUMENTS: Final[dict[str, Any]] = {
    "at_most": 5,
    "batch_id": "batch-0001",
    "before": Place(A_TIME, "job-0001"),
    "besides": "job-0001",
    "job_id": "job-0001",
    "limit": 5,
    "now": A_TIME,
    "owner": "ada",
    "priority": Priority.BULK,
    "render": a_render(now=A_TIME),
    "render_key": "0" * 40,
    "render_keys": ["0" * 40],
    "since": A_TIME,
    "status": Status.FAILED,
    "token": "t" * 43,
    "until": A_TIME,
}
#: They write, or read one document: no query.
WITHOUT_QUERY: Final = {
    *("batch", "commit", "create", "job", "jobs", "render", "renders", "replace"),
    *("report", "leave", "orders", "create_orders", "replace_orders"),
}
EQUALITIES: Final = {"EQUAL", "IN", "ARRAY_CONTAINS", "ARRAY_CONTAINS_ANY"}


@dataclass(frozen=True)
class Index:
    """Fields compared for equality come first, in any order; then what is compared otherwise or sorted by."""

    collection: str
    equal: frozenset[str]
    then: tuple[tuple[str, str], ...]


def index_of(query: Query, sums: tuple[str, ...] = ()) -> Index | None:
    """The composite index that a query needs: https://cloud.google.com/firestore/docs/query-data/index-overview.

    None when indexes of single fields do: equality alone, or a range or an order on one field alone.
    """
    asked = query._to_protobuf()
    parts = asked.where.composite_filter.filters or ([asked.where] if asked.where else [])
    filters = [(each.field_filter.field.field_path, each.field_filter.op.name) for each in parts]
    equal = frozenset(path for path, op in filters if op in EQUALITIES)
    ranges = {path: "ASCENDING" for path, op in filters if op not in EQUALITIES}
    orders = {each.field.field_path: each.direction.name for each in asked.order_by}
    # What is sorted by comes before other ranges, and what is added up comes last.
    first = {path: direction for path, direction in orders.items() if path != "__name__"}
    then = tuple((first | ranges | orders | dict.fromkeys(sums, "ASCENDING")).items())
    if len(then) > 1 and then[-1] == ("__name__", then[-2][1]):  # every index ends with it, in the last order
        then = then[:-1]
    if set(then) <= {("__name__", "ASCENDING")} or (not equal and len(then) == 1):
        return None
    return Index(collection=asked.from_[0].collection_id, equal=equal, then=then)


def paths_of(query: Query) -> set[str]:
    """Fields that a query compares or sorts by."""
    asked = query._to_protobuf()
    parts = asked.where.composite_filter.filters or ([asked.where] if asked.where else [])
    return {each.field_filter.field.field_path for each in parts} | {each.field.field_path for each in asked.order_by}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every query that would have been sent."""
    seen: list[Asked] = []

    def stream(query: Query, **_: Any) -> list[Any]:
        seen.append((query, ()))
        return []

    def aggregate(query: AggregationQuery, **_: Any) -> list[Any]:
        sums = [each for each in query._aggregations if isinstance(each, SumAggregation)]
        seen.append((query._nested_query, tuple(str(each.field_ref) for each in sums)))
        return [[SimpleNamespace(alias=each.alias, value=0) for each in query._aggregations]]

    monkeypatch.setattr(Query, "stream", stream)
    monkeypatch.setattr(AggregationQuery, "get", aggregate)
    return seen


def ask_everything(store: object) -> set[str]:
    """Call every method of a store that asks a query; their names."""
    methods = dict(inspect.getmembers(store, inspect.ismethod))
    names = {name for name in methods if not name.startswith("_")} - WITHOUT_QUERY
    for name in names:
        parameters = inspect.signature(methods[name]).parameters.values()
        positional = [ARGUMENTS[each.name] for each in parameters if each.kind is not each.KEYWORD_ONLY]
        methods[name](
            *positional, **{each.name: ARGUMENTS[each.name] for each in parameters if each.kind is each.KEYWORD_ONLY}
        )
    return names


def a_client() -> firestore.Client:
    return firestore.Client(project="life-as-not-me", credentials=AnonymousCredentials())


def needed(asked: list[Asked]) -> set[Index]:
    stores = (FirestoreJobStore, FirestoreBatchStore, FirestoreCrewStore)
    for store in (each(a_client()) for each in stores):
        before = len(asked)
        names = ask_everything(store)
        assert 0 < len(names) <= len(asked) - before, "a method that asks nothing is not looked at"
    return {index for query, sums in asked if (index := index_of(query, sums))}


def serves(collection: str, fields: list[str], index: Index) -> bool:
    """Whether an index that Terraform makes is the one."""
    number = len(index.equal)
    then = tuple(
        (field.removeprefix("-"), "DESCENDING" if field.startswith("-") else "ASCENDING") for field in fields[number:]
    )
    return (collection, frozenset(fields[:number]), then) == (index.collection, index.equal, index.then)


def test_every_query_has_its_index_and_no_index_is_there_for_nothing(asked: list[Asked]) -> None:
    needs = needed(asked)
    declared = [(each["collection"], each["fields"]) for each in CODE.locals["firestore_indexes"].values()]

    assert [index for index in needs if not any(serves(*each, index) for each in declared)] == []
    assert [each for each in declared if not any(serves(*each, index) for index in needs)] == []
    assert len(declared) == len(needs) > 0


def test_no_query_asks_for_what_has_no_index_of_its_own(asked: list[Asked]) -> None:
    """A query that no composite index serves is served by those of its single fields."""
    needed(asked)
    exempt = set(CODE.resource("google_firestore_field.without_index").body["for_each"].items())
    alone = {
        (query._to_protobuf().from_[0].collection_id, path.partition(".")[0])
        for query, sums in asked
        if index_of(query, sums) is None
        for path in paths_of(query)
    }

    assert exempt == {("renders", "spec"), ("jobs", "request")}
    assert alone
    assert not alone & exempt


def test_a_query_that_is_new_is_seen_to_need_an_index(asked: list[Asked]) -> None:
    own = a_client().collection("jobs").where(filter=FieldFilter("theme", "==", "rainy-night"))
    newest_first = index_of(own.order_by("created_at", direction="DESCENDING"))

    assert newest_first == Index(collection="jobs", equal=frozenset({"theme"}), then=(("created_at", "DESCENDING"),))
    assert newest_first not in needed(asked)
    assert index_of(own) is None


def test_an_order_is_ascending_but_for_a_minus() -> None:
    [fields] = CODE.resource("google_firestore_index.indexes").inner("fields")

    assert fields["field_path"] == '${trimprefix(fields.value, "-")}'
    assert fields["order"] == '${startswith(fields.value, "-") ? "DESCENDING" : "ASCENDING"}'


def test_no_function_is_changed_before_the_indexes_that_it_may_ask_for_are_there() -> None:
    after = CODE.resource("google_cloudfunctions2_function.functions").body["depends_on"]

    assert "${google_firestore_index.indexes}" in after
