"""Listings page by page: what ends them, what is not believed, and what an answer may look like."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.api.client import Answer
from syncd.api.pages import pages, unwrap
from syncd.errors import BadAnswer
from syncd.model import ListRequest, Page

ORIGIN = "https://api.procore.com"
PATH = "/rest/v1.0/things"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Server:
    """Answers pages of numbered records.

    Args:
        count: How many records there are.
        cap: Largest page size it grants, or None.
        headers: Which paging headers it gives.
        link: Makes the Link header, of page number and whether another follows.
        shape: What it wraps the records in.
    """

    def __init__(
        self,
        count: int,
        *,
        cap: int | None = None,
        headers: Sequence[str] = ("total", "per-page", "link"),
        link: Callable[[int, bool], str] | None = None,
        shape: Callable[[list[Any]], Any] = list,
    ) -> None:
        self.records = [{"id": number} for number in range(count)]
        self.asked: list[dict[str, str]] = []
        self._cap, self._headers, self._link, self._shape = cap, headers, link, shape

    def __call__(self, request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        asked = dict(params)
        self.asked.append(asked)
        page, size = int(asked["page"]), min(int(asked["per_page"]), self._cap or 10**9)
        found = self.records[(page - 1) * size : page * size]
        more = page * size < len(self.records)
        rel = '<{}?page={}>; rel="{}"'
        default = ", ".join(
            [rel.format(ORIGIN + PATH, 1, "first"), *([rel.format(ORIGIN + PATH, page + 1, "next")] if more else [])]
        )
        given_headers = {
            "total": str(len(self.records)),
            "per-page": str(size),
            "link": default if self._link is None else self._link(page, more),
        }
        headers = {name: given_headers[name] for name in self._headers}
        return answer(self._shape(list(found)), headers)


def answer(data: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(data, headers or {}, NOW, 1, 0)


def listing(**changes: Any) -> ListRequest:
    return ListRequest(company_id=1, path=PATH, **changes)


def read(server: Callable[..., Answer], request: ListRequest) -> list[Any]:
    """The records without those that pages repeat."""
    found: list[Any] = []
    for page in pages(server, request, ORIGIN):
        found += page.records[page.overlap :]
    return found


@given(
    count=st.integers(0, 130),
    size=st.integers(1, 60),
    cap=st.none() | st.integers(1, 60),
    headers=st.sampled_from(
        [
            ("total", "per-page", "link"),
            ("total", "per-page"),
            ("per-page", "link"),
            ("link",),
            ("per-page",),
            ("total",),
        ]
    ),
    overlap=st.booleans(),
)
def test_every_record_is_listed_once_whatever_paging_headers_there_are(
    count: int, size: int, cap: int | None, headers: tuple[str, ...], *, overlap: bool
) -> None:
    if cap is not None and "per-page" not in headers and "link" not in headers and "total" not in headers:
        return
    server = Server(count, cap=cap, headers=headers)
    request = listing(page_size=size, overlap=overlap)
    if cap is not None and cap < size and "per-page" not in headers:
        # A server that caps silently: the size of its first page tells.
        assert {row["id"] for row in read(server, request)} == set(range(count))
        return
    assert read(server, request) == server.records


def test_one_page_is_asked_for_where_all_fits_in_it() -> None:
    server = Server(100)
    assert len(read(server, listing(page_size=100))) == 100
    assert server.asked == [{"page": "1", "per_page": "100"}]


def test_a_cap_of_the_server_is_believed() -> None:
    server = Server(90, cap=40)
    assert read(server, listing(page_size=1000)) == server.records
    assert len(server.asked) == 3


def test_successive_pages_share_a_record_so_that_a_shift_between_them_shows() -> None:
    server = Server(250)
    seams = []
    before: Page | None = None
    for page in pages(server, listing(page_size=100), ORIGIN):
        if before is not None:
            seams.append((before.records[-1], page.records[page.overlap - 1]))
        before = page
    assert len(seams) == 2
    assert all(last == first for last, first in seams)


def test_a_missing_next_link_does_not_end_a_listing_whose_total_says_more() -> None:
    server = Server(25, link=lambda page, more: f'<{ORIGIN}{PATH}?page=1>; rel="first"')
    assert read(server, listing(page_size=10)) == server.records


def test_a_next_link_on_every_page_ends_with_an_empty_page() -> None:
    server = Server(25, link=lambda page, more: f'<{ORIGIN}{PATH}?page=1>; rel="next"')
    assert read(server, listing(page_size=10)) == server.records
    assert len(server.asked) <= 5


def test_pages_that_repeat_are_a_loop_and_not_a_longer_list() -> None:
    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        same = [{"id": number} for number in range(10)]
        return answer(same, {"link": f'<{ORIGIN}{PATH}?page=1>; rel="next"', "total": "1000", "per-page": "10"})

    with pytest.raises(BadAnswer, match="circles"):
        read(send, listing(page_size=10))


def test_an_endpoint_that_ignores_paging_is_read_once() -> None:
    asked: list[Any] = []

    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        asked.append(params)
        return answer([{"id": number} for number in range(10)])

    assert len(read(send, listing(page_size=10))) == 10
    assert len(asked) == 2


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/rest/v1.0/things?page=2",
        "http://api.procore.com/rest/v1.0/things?page=2",
        "//elsewhere.example/rest/v1.0/things?page=2",
        "https://api.procore.com:444/rest/v1.0/things?page=2",
        "https://api.procore.com@elsewhere.example/rest/v1.0/things?page=2",
        "https://api.procore.com/rest/v1.0/others?page=2",
        "https://[broken/rest/v1.0/things",
    ],
)
def test_a_next_link_that_leads_elsewhere_ends_the_listing(target: str) -> None:
    server = Server(25, link=lambda page, more: f'<{target}>; rel="next"')
    with pytest.raises(BadAnswer, match="elsewhere"):
        read(server, listing(page_size=10))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://api.procore.com:443/rest/v1.0/things?page=2",
        "https://API.procore.com/rest/v1.0/things?page=2",
        "/rest/v1.0/things?page=2",
        "?page=2",
        "https://api.procore.com/rest/v1.0/things?filters[a]=1,2&page=2",
    ],
)
def test_a_next_link_within_the_endpoint_is_accepted_however_it_is_written(target: str) -> None:
    server = Server(
        25, headers=("per-page", "link"), link=lambda page, more: f'<{target}>; rel="next"' if more else "<x>; rel=prev"
    )
    assert read(server, listing(page_size=10)) == server.records


@given(
    st.dictionaries(
        st.sampled_from(["link", "total", "per-page"]),
        st.text(st.characters(max_codepoint=255), max_size=30) | st.integers(-5, 10**30).map(str) | st.just("9" * 5000),
    )
)
def test_no_header_brings_a_listing_to_its_knees(headers: dict[str, str]) -> None:
    sent = 0

    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        nonlocal sent
        sent += 1
        page = int(dict(params)["page"])
        return answer([{"id": page}] * 10 if page < 3 else [], headers)

    with contextlib.suppress(BadAnswer):
        read(send, listing(page_size=10))
    assert sent <= 4


def test_a_listing_goes_on_where_it_was_interrupted() -> None:
    server = Server(250)
    first = next(pages(server, listing(page_size=100), ORIGIN))
    rest = read(server, listing(page_size=100, start=first.next))
    assert [*first.records, *rest] == server.records


@pytest.mark.parametrize(
    ("envelope", "data", "expected"),
    [
        ("array", [1, 2], [1, 2]),
        ("data", {"data": [1, 2]}, [1, 2]),
        ("data", {"data": None}, []),
        ("data", [1], [1]),
        ("object:report.lines", {"report": {"lines": [1]}}, [1]),
        ("object:report.lines", {"report": {}}, []),
        ("object", {"id": 1}, [{"id": 1}]),
    ],
)
def test_records_come_out_of_their_envelope(envelope: str, data: Any, expected: list[Any]) -> None:
    assert list(unwrap(data, listing(envelope=envelope))) == expected


@pytest.mark.parametrize("data", [{"message": "hello"}, "text", 5, None, {"data": "text"}])
def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(data: Any) -> None:
    with pytest.raises(BadAnswer, match="did not answer a list"):
        unwrap(data, listing())


def test_records_come_out_of_their_groups_with_what_the_group_says() -> None:
    groups = [{"group_title": "A", "meetings": [{"id": 1}, {"id": 2}]}, {"group_title": "B", "meetings": []}]
    found = list(unwrap(groups, listing(group="meetings")))
    assert found == [{"group_title": "A", "id": 1}, {"group_title": "A", "id": 2}]


def test_groups_are_paged_by_group_and_no_page_is_skipped() -> None:
    groups = [{"title": str(n), "meetings": [{"id": 3 * n + i} for i in range(3)]} for n in range(25)]

    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        page, size = int(dict(params)["page"]), int(dict(params)["per_page"])
        found = groups[(page - 1) * size : page * size]
        return answer(found, {"per-page": str(size), "total": "25"})

    found = read(send, listing(page_size=10, group="meetings"))
    assert [row["id"] for row in found] == list(range(75))


def test_an_unpaged_endpoint_is_asked_once_without_paging_parameters() -> None:
    asked: list[Any] = []

    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        asked.append(list(params))
        return answer([{"id": 1}])

    assert read(send, listing(paging="none", params=(("view", "extended"),))) == [{"id": 1}]
    assert asked == [[("view", "extended")]]


@pytest.mark.parametrize("named", [True, False])
def test_a_cursor_is_followed_to_its_end(*, named: bool) -> None:
    rows = [{"id": number} for number in range(25)]

    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        asked = dict(params)
        start = int(asked["after"]) + 1 if "after" in asked else 0
        found = rows[start : start + int(asked["limit"])]
        more = start + 10 < len(rows)
        if named:
            return answer({"data": found, "next_cursor": str(start + 9) if more else None})
        return answer(found)

    request = listing(
        paging="cursor", page_params=("after", "limit"), page_size=10, envelope="data" if named else "array"
    )
    assert read(send, request) == rows


def test_a_cursor_that_repeats_is_a_loop() -> None:
    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        return answer({"data": [{"id": 1}], "next_cursor": "same"})

    with pytest.raises(BadAnswer, match="circles"):
        read(send, listing(paging="cursor", page_params=("after", "limit"), envelope="data"))


@pytest.mark.parametrize("cap", [None, 7])
def test_an_offset_is_followed_to_its_end_also_where_the_server_caps_the_page(cap: int | None) -> None:
    rows = [{"id": number} for number in range(25)]

    def send(request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        asked = dict(params)
        start, size = int(asked.get("offset", "0")), min(int(asked["limit"]), cap or 10**9)
        return answer(rows[start : start + size], {"total": "25"})

    assert read(send, listing(paging="offset", page_params=("offset", "limit"), page_size=10)) == rows
