"""A plausible value for a leaf, chosen by its name and type."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from syncd.sandbox import names
from syncd.sandbox.making import Maker, Making, money, stamp
from syncd.sandbox.world import COMPANY_ID, FIRST_LARGE, mix

_DAY = 86_400
_PEOPLE = re.compile(
    r"created_by|updated_by|closed_by|assignee|ball_in_court|received_from|manager|inspector|approver|uploader|reviewer|"
    r"submitted_by|distribution|recipient|author|signatory|point_of_contact|superintendent|owner_user|login_information|"
    r"(^|_)(user|users|person|people|party|employee|contact|member|members|attendee|attendees|creator|sender|requester|responder)$|_by$"
)
_VENDORS = re.compile(r"vendor|contractor|supplier|(^|_)(company|companies|architect|invoice_from)$")
_ALWAYS = re.compile(
    r"^(id|name|title|subject|status|code|number|position|label|type)$|_id$|^is_|deleted$|^private$|^active$"
)


def is_person(name: str) -> bool:
    """Whether a field of this name holds a person."""
    return bool(_PEOPLE.search(name))


def is_vendor(name: str) -> bool:
    """Whether a field of this name holds a company of the directory."""
    return bool(_VENDORS.search(name))


def pool_id(name: str, choice: int) -> int:
    """Id of one of a few shared records that no list of ours serves (statuses, types)."""
    return pool(name) + choice * 7


def pool(name: str) -> int:
    """The first id of a pool."""
    return FIRST_LARGE + mix("pool", name) % 900_000


def leaf(name: str, kind: str, path: str) -> Maker:
    """The maker of a leaf: by its exact name, by what its name ends with, by its type; sometimes null.

    Args:
        name: The field's own name.
        kind: Its type, as in the catalog.
        path: Where it stands in the record, for ids that must differ.
    """
    maker = _BY_TYPE.get(kind, _any)(name, path)
    if _ALWAYS.search(name) or name in ("created_at", "updated_at", "deleted_at", "date"):
        return maker

    def sometimes(making: Making) -> Any:
        value = maker(making)
        return None if making.chance(0.07) else value

    return sometimes


def choose(*values: Any) -> Maker:
    """One of some values."""
    return lambda making: making.rng.choice(values)


def own_id(name: str, path: str) -> Callable[[Making], int]:
    """The id of what a field refers to: `vendor_id` one of the vendors, unknown ones from a small pool."""
    stem = name.removesuffix("_ids").removesuffix("_id")
    for pattern, pick in _REFERENCES:
        if re.search(pattern, stem):
            return pick
    if name == "id":
        place = mix(path)
        return lambda making: making.inner_id(place)
    first = pool(stem)
    return lambda making: first + making.rng.randrange(8) * 7


_REFERENCES: Sequence[tuple[str, Callable[[Making], int]]] = (
    (r"^company$", lambda _: COMPANY_ID),
    (r"(^|_)project$", lambda making: making.some_project().id),
    (r"cost_code$", lambda making: making.cost_code().id),
    (r"(^|_)location$", lambda making: making.location().id),
    (_PEOPLE.pattern, lambda making: making.user().id),
    (_VENDORS.pattern, lambda making: making.vendor().id),
)


def _integer(name: str, path: str) -> Maker:
    if name.endswith(("_id", "_ids")) or name == "id":
        return own_id(name, path)
    if name in ("position", "number", "relative_position", "order"):
        return lambda making: making.index + 1
    for pattern, low, high in _INTEGER_RANGES:
        if re.search(pattern, name):
            return lambda making: making.rng.randint(low, high)
    return lambda making: making.rng.randint(0, 60)


_INTEGER_RANGES = (
    (r"_count$|^total_", 0, 14),
    (r"size|bytes", 20_000, 9_000_000),
    (r"year", 2019, 2026),
    (r"hour", 6, 17),
    (r"minute", 0, 59),
    (r"width|height", 480, 4032),
    (r"percent|probability|confidence|progress", 0, 100),
    (r"extension", 100, 999),
    (r"temperature", 35, 98),
    (r"workers|num_|crew", 1, 14),
    (r"amount|value|cost", 500, 250_000),
    (r"days|lead_time|duration|float", 0, 45),
)


def _number(name: str, path: str) -> Maker:
    if name == "id" or name.endswith("_id"):
        return own_id(name, path)
    if name == "position":
        return lambda making: making.index + 1
    low, high = _number_range(name)
    return lambda making: round(making.rng.uniform(low, high), 2)


def _number_range(name: str) -> tuple[float, float]:
    for pattern, low, high in (
        (r"lat", 37.0, 40.0),
        (r"long|lng", -122.5, -119.0),
        (r"percent|progress", 0, 100),
        (r"hours", 0.5, 10.0),
        (r"rate", 1, 140),
        (r"amount|value|cost|price|total|budget", 250, 180_000),
    ):
        if re.search(pattern, name):
            return low, high
    return 0, 500


def _boolean(name: str, path: str) -> Maker:
    del path
    if name in ("deleted", "is_deleted", "in_recycle_bin", "permanently_deleted"):
        return lambda _: False
    if name == "private":
        return lambda making: making.private
    if name in ("active", "is_active", "viewable", "can_edit", "can_update", "in_use"):
        return lambda making: making.chance(0.93)
    return lambda making: making.chance(0.4)


def _date(name: str, path: str) -> Maker:
    del path
    low, high = (7, 21) if re.search(r"due|finish|end|expir|complet|deliver|required", name) else (-3, 3)
    if name in ("date", "log_date"):
        return lambda making: making.day.isoformat()
    return lambda making: making.around(low, high).isoformat()


def _datetime(name: str, path: str) -> Maker:
    del path
    if name in _MOMENTS:
        return _MOMENTS[name]
    if re.search(r"closed|resolved|returned|completed|distributed|verified|reviewed|approved|settled|paid", name):
        return lambda making: stamp(making.updated) if making.chance(0.5) else None
    return lambda making: stamp(making.created + making.rng.randrange(0, _DAY))


def _at(first: int, last: int) -> Maker:
    """Some time of the record's day, between two hours UTC."""
    return lambda making: (
        f"{making.day.isoformat()}T{making.rng.randrange(first, last):02d}:{making.rng.randrange(0, 60, 5):02d}:00Z"
    )


_MOMENTS: dict[str, Maker] = {
    "created_at": lambda making: stamp(making.created),
    "updated_at": lambda making: stamp(making.updated),
    "deleted_at": lambda _: None,
    "datetime": _at(13, 18),
    "time_in": _at(13, 18),
    "starts_at": _at(13, 18),
    "time_out": _at(20, 24),
    "ends_at": _at(20, 24),
}


def _string(name: str, path: str) -> Maker:
    if name in _STRINGS:
        return _STRINGS[name]
    if name == "id" or (name.endswith(("_id", "_ids")) and not name.startswith("origin")):
        pick = own_id(name, path)
        return lambda making: str(pick(making))
    for pattern, maker in _STRING_PATTERNS:
        if re.search(pattern, name):
            return maker
    if is_person(name):
        return lambda making: making.user().name
    if is_vendor(name):
        return lambda making: making.vendor().name
    return choose(*names.PHRASES)


def _amount(making: Making) -> str:
    return money(making.rng.randrange(4, 7200) * 2_525)


def _phone(making: Making) -> str:
    return f"({making.rng.choice((209, 415, 510, 530, 916))}) 555-{making.rng.randrange(100, 200):04d}"


def _file(making: Making) -> str:
    return f"{making.rng.choice(('sketch', 'photo', 'transmittal', 'rfi-response', 'cut-sheet'))}-{making.rng.randrange(1, 900)}.pdf"


def _url(making: Making) -> str:
    return f"https://files.example.com/{making.entry.name}/{making.rng.randrange(10**6)}"


_TITLES = tuple(names.SUBJECTS)


def subject(making: Making, templates: Sequence[str] = _TITLES) -> str:
    """A sentence about some place on the site."""
    place = {
        "grid": f"{making.rng.choice('ABCDEFGH')}-{making.rng.randrange(1, 12)}",
        "room": making.location().node,
        "sheet": f"A-{making.rng.randrange(101, 640)}",
        "n": making.index + 1,
    }
    return making.rng.choice(templates).format(**place)


_STRINGS: dict[str, Maker] = {
    "name": lambda making: f"{making.entry.name.rstrip('s').replace('_', ' ').capitalize()} {making.index + 1}",
    "title": subject,
    "subject": subject,
    "status": choose("open", "closed", "draft", "pending", "approved"),
    "translated_status": choose("Open", "Closed", "Draft"),
    "number": lambda making: f"{making.index + 1:03d}",
    "full_number": lambda making: f"{making.index + 1:03d}",
    "formatted_number": lambda making: f"{making.index + 1:03d}",
    "revision": choose("0", "0", "0", "1", "2"),
    "code": lambda making: making.cost_code().code,
    "flat_code": lambda making: making.cost_code().code,
    "full_code": lambda making: making.cost_code().code,
    "company": lambda making: making.vendor().name,
    "company_name": lambda making: making.vendor().name,
    "project": lambda making: making.some_project().name,
    "project_name": lambda making: making.some_project().name,
    "project_number": lambda making: making.some_project().number,
    "login": lambda making: making.user().login,
    "first_name": lambda making: making.user().first_name,
    "last_name": lambda making: making.user().last_name,
    "initials": lambda making: making.user().initials,
    "trade_name": choose(*names.TRADES),
    "country_code": lambda _: "US",
    "state_code": choose("CA", "NV", "OR"),
    "city": choose("Sacramento", "Oakland", "Reno", "Fresno"),
    "zip": lambda making: f"{making.rng.randrange(94_000, 96_200)}",
    "address": lambda making: (
        f"{making.rng.randrange(10, 4000)} {making.rng.choice(('Foundry', 'Mission', 'Alder', 'River'))} St"
    ),
    "currency_iso_code": lambda _: "USD",
    "base_currency_iso_code": lambda _: "USD",
    "currency_exchange_rate": lambda _: "1.0",
    "locale": choose("en", "en", "es"),
    "uom": choose(*names.UNITS),
    "priority": choose("low", "medium", "high"),
    "accounting_method": choose("amount", "unit"),
    "created_at": lambda making: stamp(making.created),
    "updated_at": lambda making: stamp(making.updated),
    "deleted_at": lambda _: None,
    "deleted_by": lambda _: None,
    "origin_id": lambda making: f"ERP-{making.rng.randrange(10_000, 99_999)}" if making.chance(0.3) else None,
    "origin_data": lambda _: None,
    "origin_code": lambda _: None,
    "base_type": choose("L", "M", "S", "E", "O"),
    "data_type": choose("string"),
    "gps_lat": lambda making: f"{making.rng.uniform(37, 40):.6f}",
    "gps_long": lambda making: f"{making.rng.uniform(-122, -119):.6f}",
    "biller_type": lambda _: "Project",
    "biller": lambda making: making.some_project().name,
}

_STRING_PATTERNS: Sequence[tuple[str, Maker]] = (
    (r"percent", lambda making: f"{making.rng.randrange(0, 101)}.0"),
    (
        r"amount|total|cost|price|payment|sum|value|budget|retainage|balance|paid|remaining|materials|invoiced|claimed",
        _amount,
    ),
    (r"change_orders|revised|_rom$|forecast", _amount),
    (r"quantity|hours", lambda making: f"{making.rng.randrange(1, 160) / 4:.2f}"),
    (r"email", lambda making: making.user().login),
    (r"phone|fax", _phone),
    (r"url|link|website|logo|^self$|^href$", _url),
    (r"filename|file_name|attachment", _file),
    (r"content_type", choose("application/pdf", "image/jpeg")),
    (r"(start|finish|end|due|constraint|deadline)_date$|_date$", lambda making: making.around(-5, 40).isoformat()),
    (r"_at$", lambda making: stamp(making.created)),
    (r"status|state$", choose("open", "closed", "draft", "approved")),
    (r"trade", choose(*names.TRADES)),
    (r"location", lambda making: making.location().name),
    (r"cost_code", lambda making: making.cost_code().code),
    (r"division|section", choose(*names.DIVISIONS.values())),
    (r"type$|category", choose("Standard", "General", "Critical")),
    (
        r"label|_name$",
        lambda making: (
            f"{making.rng.choice(('North', 'South', 'East', 'West'))} {making.rng.choice(('wing', 'yard', 'tower'))}"
        ),
    ),
    (r"number|code", lambda making: f"{making.rng.randrange(1, 400):03d}"),
    (r"job_title", choose(*names.STAFF_TITLES)),
    (r"color|colour", choose("#1f77b4", "#d62728", "#2ca02c")),
)


def _object(name: str, path: str) -> Maker:
    del name, path
    return lambda making: {"key": making.rng.choice(("a", "b")), "value": making.rng.randrange(100)}


def _any(name: str, path: str) -> Maker:
    if name == "id" or name.endswith("_id"):
        return own_id(name, path)
    if re.search(r"amount|cost|quantity|total|value", name):
        return _amount
    return choose(None, None, "Standard", 12)


_BY_TYPE: dict[str, Callable[[str, str], Maker]] = {
    "integer": _integer,
    "number": _number,
    "string": _string,
    "boolean": _boolean,
    "date": _date,
    "date-time": _datetime,
    "object": _object,
}
