"""What a resource is: one list endpoint as data, and the few choices of strategy that its data names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FieldTree = Mapping[str, Any]
"""Type tree of one record: an object is a mapping, a list `[item]`, a leaf one of `LEAF_TYPES`."""

LEAF_TYPES = ("integer", "number", "string", "boolean", "date", "date-time", "object", "any")

Scope = Literal["none", "company", "project"]
Paging = Literal["page", "cursor", "offset", "none"]


@dataclass(frozen=True, slots=True)
class Window:
    """A dated list that answers for a range of days only (daily logs, timecards).

    Attributes:
        first: Query parameter of the first day.
        last: Query parameter of the last day; None where one parameter takes a range `from...to`.
        column: Top-level field of a record that holds its day (date or date-time); None where records do not tell
            their day: then a range that was listed does not tell what is gone from it.
    """

    first: str
    last: str | None
    column: str | None


@dataclass(frozen=True, slots=True)
class Deletions:
    """Where Procore itself lists deleted records.

    Attributes:
        path: A recycle-bin list of its own, or None.
        param: Query parameter on the resource's own list that brings deleted records, or None.
        value: That parameter's value (`only`, `true`, a range).
    """

    path: str | None = None
    param: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """How a list can be put in a stable order, oldest identity first, and by latest change.

    Attributes:
        stable: Query parameters of an order that edits do not disturb (`(("sort", "created_at"),)`), or empty.
        recent: Query parameters of latest change first, or empty. Used where `updated_at` is shown but not filterable.
    """

    stable: tuple[tuple[str, str], ...] = ()
    recent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One entry of the catalog.

    Attributes:
        name: Its name, and its table's name.
        title: What Procore calls the list.
        tool: Procore's area, tool and section, joined by `/`.
        path: `/rest/v1.0/projects/{project_id}/rfis`; `{company_id}` and `{project_id}` are filled from the scope.
        scope: Read once (`none`), per company, or per project.
        scope_params: Where the scope's ids go as query parameters: `{"project_id": "project_id"}`.
        parents: Placeholder (in the path, or a query parameter) to the resources that supply its value, in order;
            each supplier as `resource` (its `id`) or `resource.column`. Where a supplier is itself read per another of
            the placeholders, that one comes first: the supplier's rows say then which values go together. Placeholders
            that name the same supplier take their values from the same row of it.
        enumerate: Query parameter to the fixed values to go through, one partition each.
        params: Fixed query parameters (`filters[by_status]: All`).
        method: GET, or POST for a read that is a POST.
        body: JSON body of a POST, or None.
        paging: How pages follow each other.
        page_size: Largest useful page.
        page_params: Names of the query parameters for the page (or cursor) and for its size.
        envelope: `array`, `data`, `object:<key.key>` or `object`.
        group: Key of the list inside each item where items are groups, else None.
        updated_at: Query parameter that filters by change time, or None.
        updated_at_form: `range` (`from...to`) or `gt`.
        window: Set where the list answers for a range of days.
        sort: Orders it offers.
        deletions: Where deleted records are listed, or None: then only a complete listing tells.
        key: Fields that identify a record in its scope; empty where a record has no identity but its content.
        tier: 1 where analysts use it most.
        groups: Names under which a job can ask for it (`financials`, `daily_logs`).
        webhooks: Procore's webhook resource names.
        permission: What permission it needs, in Procore's words, or an empty string.
        detail: Path of the single-record call with `{id}`, where that gives fields that the list lacks, or None.
        detail_fields: Type tree of the fields that only the detail gives.
        deprecated: Whether Procore marks it so.
        note: Oddities, for a reader.
        fields: Type tree of one record.
    """

    name: str
    title: str
    tool: str
    path: str
    scope: Scope
    scope_params: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    enumerate: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    method: Literal["GET", "POST"] = "GET"
    body: Mapping[str, Any] | None = None
    paging: Paging = "page"
    page_size: int = 100
    page_params: tuple[str, str] = ("page", "per_page")
    envelope: str = "array"
    group: str | None = None
    updated_at: str | None = None
    updated_at_form: Literal["range", "gt"] = "range"
    window: Window | None = None
    sort: Sort = field(default_factory=Sort)
    deletions: Deletions | None = None
    key: tuple[str, ...] = ("id",)
    tier: int = 2
    groups: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    permission: str = ""
    detail: str | None = None
    detail_fields: FieldTree = field(default_factory=dict)
    deprecated: bool = False
    note: str = ""
    fields: FieldTree = field(default_factory=dict)

    @property
    def without_values(self) -> str:
        """What is missing before anything can be asked for, in words; empty where nothing is."""
        names = [name for name, values in self.enumerate.items() if not values]
        if not names:
            return ""
        return f"no values are known for {' and '.join(names)}: give them in an entry of your own (resources_dir)"

    @property
    def incremental(self) -> bool:
        """Whether the list can be asked for what changed since a time."""
        return self.updated_at is not None
