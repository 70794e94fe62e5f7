"""The data set: projects and four resources of each, the same every time, in the shapes that Procore documents."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]

RESOURCES = {
    "rfis": "/rest/v1.0/projects/{project_id}/rfis",
    "submittals": "/rest/v1.1/projects/{project_id}/submittals",
    "change_events": "/rest/v1.1/change_events",
    "observations": "/rest/v1.0/observations/items",
}
"""Path by resource; RFIs, submittals and change events hold arrays, observations are flat."""
TITLES = {"rfis": "subject", "submittals": "title", "change_events": "title", "observations": "name"}
"""The field of each resource that a change changes."""
ARRAYS = {"rfis": "questions", "submittals": "approvers", "change_events": "change_items"}
"""An array of each resource whose rows are compared in the end."""
COMPANY = 4266
PRIME = 1_000_003
"""Modulus of the checksum over ids and change times."""
_FIRST_PROJECT = 700_001
_EPOCH = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
_YEAR = 365 * 86_400
_WORDS = [
    "anchor",
    "beam",
    "bolt",
    "ceiling",
    "clash",
    "column",
    "conduit",
    "core",
    "curb",
    "deck",
    "detail",
    "door",
    "duct",
    "elevation",
    "embed",
    "façade",
    "fire",
    "fixture",
    "flashing",
    "footing",
    "frame",
    "girder",
    "glazing",
    "grade",
    "grid",
    "grout",
    "hanger",
    "insulation",
    "joint",
    "joist",
    "lintel",
    "louver",
    "membrane",
    "mullion",
    "panel",
    "parapet",
    "partition",
    "pipe",
    "plate",
    "pour",
    "rail",
    "rebar",
    "riser",
    "roof",
    "sealant",
    "shaft",
    "sheet",
    "shim",
    "slab",
    "sleeve",
    "soffit",
    "span",
    "stair",
    "steel",
    "strut",
    "tile",
    "trench",
    "truss",
    "valve",
    "vapour",
    "wall",
    "weld",
    "window",
]
_CORPUS = random.Random(7).choices(_WORDS, k=20_000)
_NAMES = ("Ada Byron", "Grace Hooper", "José Núñez", "Mei Lin", "Omar Haddad", "Priya Rao", "Sven Larsson", "Zoë Wolff")


def project_ids(projects: int) -> range:
    """Ids of so many projects."""
    return range(_FIRST_PROJECT, _FIRST_PROJECT + projects)


def stamp(seconds: int) -> str:
    """Unix seconds as the API writes them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_MOMENTS = tuple(stamp(_EPOCH + second) for second in range(0, _YEAR, 10_007))


def make_project(project: int) -> Record:
    """One record of the projects list."""
    rng = random.Random(project)
    return {
        "id": project,
        "name": f"{_text(rng, 3).title()} {project}",
        "display_name": f"{project} {_text(rng, 3)}",
        "active": True,
        "address": f"{rng.randrange(1, 999)} Main Street",
        "city": "Carpinteria",
        "state_code": "CA",
        "zip": "93013",
        "country_code": "US",
        "company": {"id": COMPANY, "name": "Benchmark Builders"},
        "project_number": str(project),
        "time_zone": "US/Pacific",
        "start_date": "2025-02-01",
        "completion_date": "2027-02-01",
        "created_at": stamp(_EPOCH),
        "updated_at": stamp(_EPOCH + rng.randrange(_YEAR)),
    }


def make_record(resource: str, project: int, number: int) -> Record:
    """One record, all of its fields filled, whose id is unique in the whole data set and beyond 32 bits."""
    order = list(RESOURCES).index(resource)
    rng = random.Random((order * 1_000_003 + project) * 1_000_003 + number)
    record_id = (order + 5) * 10**12 + project * 10**6 + number
    created = _EPOCH + rng.randrange(_YEAR)
    common = {
        "id": record_id,
        "number": str(number),
        "created_at": stamp(created),
        "updated_at": stamp(created + rng.randrange(86_400 * 30)),
        "created_by": _user(rng),
    }
    return common | _MAKERS[resource](rng, record_id)


def _text(rng: random.Random, words: int) -> str:
    start = int(rng.random() * (len(_CORPUS) - words))
    return " ".join(_CORPUS[start : start + words])


def _user(rng: random.Random) -> Record:
    number = int(rng.random() * 10_000)
    return {"id": 160_000 + number, "login": f"user{number}@example.com", "name": rng.choice(_NAMES)}


def _named(rng: random.Random, words: int = 2) -> Record:
    return {"id": rng.randrange(1, 10**9), "name": _text(rng, words)}


def _day(rng: random.Random) -> str:
    return _moment(rng)[:10]


def _moment(rng: random.Random) -> str:
    return _MOMENTS[int(rng.random() * len(_MOMENTS))]


def _location(rng: random.Random) -> Record:
    return {
        **_named(rng),
        "node_name": _text(rng, 1),
        "parent_id": rng.randrange(10**6),
        "created_at": _moment(rng),
        "updated_at": _moment(rng),
    }


def _rfi(rng: random.Random, record_id: int) -> Record:
    return {
        "subject": _text(rng, 7),
        "full_number": f"A-{record_id % 10**6}",
        "prefix": "A",
        "link": f"https://app.example.com/{record_id}/project/rfi/show",
        "status": "open",
        "translated_status": "Open",
        "private": False,
        "deleted": False,
        "reference": _text(rng, 4),
        "due_date": _day(rng),
        "initiated_at": _moment(rng),
        "time_resolved": _moment(rng),
        "assignee": _user(rng),
        "assignees": [{**_user(rng), "locale": "en", "response_required": True} for _ in range(2)],
        "ball_in_court": _user(rng),
        "ball_in_courts": [_user(rng)],
        "received_from": _user(rng),
        "rfi_manager": _user(rng),
        "responsible_contractor": _named(rng),
        "cost_code": _named(rng),
        "cost_impact": {"status": "yes_known", "value": rng.randrange(10**6) / 100},
        "schedule_impact": {"status": "yes_known", "value": rng.randrange(30)},
        "location_id": rng.randrange(1, 10**6),
        "location": _location(rng),
        "project_stage": {**_named(rng), "default_stage": False, "parent_id": 1, "procore_category": True},
        "sub_job": {**_named(rng), "code": str(rng.randrange(100))},
        "questions": [{"id": record_id * 4 + n, "body": _text(rng, 60 + 5 * n)} for n in range(2)],
        "custom_fields": {},
    }


def _submittal(rng: random.Random, record_id: int) -> Record:
    return {
        "title": _text(rng, 6),
        "description": _text(rng, 70),
        "formatted_number": f"03-{record_id % 10**6}",
        "revision": "0",
        "current_revision": True,
        "private": False,
        "due_date": _day(rng),
        "issue_date": _day(rng),
        "received_date": _day(rng),
        "submit_by": _day(rng),
        "actual_delivery_date": _day(rng),
        "required_on_site_date": _day(rng),
        "distributed_at": _moment(rng),
        "lead_time": rng.randrange(90),
        "location_id": rng.randrange(1, 10**6),
        "cost_code_id": rng.randrange(1, 10**6),
        "sub_job_id": rng.randrange(1, 10**6),
        "received_from": _named(rng),
        "submittal_manager": _named(rng),
        "responsible_contractor": _named(rng),
        "status": {**_named(rng), "status": "Open"},
        "type": {**_named(rng), "translated_name": _text(rng, 2)},
        "specification_section": {
            "id": rng.randrange(1, 10**6),
            "number": "03 30 00",
            "description": _text(rng, 4),
            "label": _text(rng, 4),
            "current_revision_id": rng.randrange(10**6),
        },
        "submittal_workflow_template": _named(rng),
        "drawing_ids": [rng.randrange(10**6) for _ in range(3)],
        "distribution_members": [_named(rng)],
        "approvers": [
            {
                "id": record_id * 4 + n,
                "approver_type": "Approver",
                "comment": _text(rng, 20),
                "due_date": _day(rng),
                "response_required": True,
                "response": {"name": "Approved", "considered": "approved", "id": 7},
                "returned_date": _day(rng),
                "sent_date": _day(rng),
                "user": _named(rng),
                "workflow_group_number": n,
            }
            for n in range(2)
        ],
        "custom_fields": {},
    }


def _change_event(rng: random.Random, record_id: int) -> Record:
    return {
        "title": _text(rng, 6),
        "description": _text(rng, 130),
        "scope": "out_of_scope",
        "comments_enabled": True,
        "deletable": True,
        "in_recycle_bin": False,
        "status": {**_named(rng), "mapped_to_status": "open"},
        "event_origin": {
            "origin_id": rng.randrange(1, 10**9),
            "origin_type": "RfiHeader",
            "display_name": _text(rng, 3),
            "web_page_url": f"https://app.example.com/{record_id}",
        },
        "change_type": {**_named(rng), "abbreviation": "OC"},
        "change_reason": {"id": rng.randrange(1, 10**6), "change_reason": _text(rng, 3)},
        "prime_contract_for_estimates": {**_named(rng), "number": str(rng.randrange(100))},
        "external_data": {"origin_id": str(rng.randrange(10**6)), "origin_data": _text(rng, 3)},
        "attachments": [
            {"id": record_id * 4 + n, "url": f"https://files.example.com/{record_id}/{n}", "filename": "plan.pdf"}
            for n in range(2)
        ],
        "change_items": [
            {
                "id": record_id * 4 + n,
                "description": _text(rng, 12),
                "event_id": record_id,
                "event_title": _text(rng, 4),
                "item_type": "line_item",
                "line_aging": rng.randrange(90),
                "deletable": True,
                "editable": False,
                "source": "change_event",
                "created_at": _moment(rng),
                "updated_at": _moment(rng),
            }
            for n in range(2)
        ],
        "source": "web",
        "custom_fields": {},
    }


def _observation(rng: random.Random, _record_id: int) -> Record:
    return {
        "name": _text(rng, 6),
        "description": _text(rng, 100),
        "description_rich_text": f"<p>{_text(rng, 100)}</p>",
        "status": "ready_for_review",
        "priority": "High",
        "date_notified": _day(rng),
        "due_date": _day(rng),
        "closed_at": _moment(rng),
        "personal": False,
        "origin": {"type": "Inspection", "payload": {"checklist_item_id": 5, "checklist_list_id": 6}},
        "assignee": {**_named(rng), "vendor": _named(rng)},
        "location": _location(rng),
        "specification_section": {
            "id": rng.randrange(1, 10**6),
            "description": _text(rng, 4),
            "number": "03 30 00",
            "latest_revision_url": "https://files.example.com/section.pdf",
        },
        "trade": {**_named(rng), "active": True, "updated_at": _moment(rng)},
        "type": {
            **_named(rng),
            "category": "Safety",
            "category_key": "safety",
            "category_id": 3,
            "active": True,
            "company_active": True,
            "parent_inactive": False,
            "in_use": True,
            "kind": "company",
            "localized_name": _text(rng, 2),
        },
        "custom_fields": {},
        "permissions": {"can_edit": True},
    }


_MAKERS: dict[str, Callable[[random.Random, int], Record]] = {
    "rfis": _rfi,
    "submittals": _submittal,
    "change_events": _change_event,
    "observations": _observation,
}
