"""Recipes of what happens on site: questions, submittals, defects, drawings, schedules, daily logs, hours."""

from __future__ import annotations

from typing import Any

from syncd.sandbox import names
from syncd.sandbox.making import Making, stamp
from syncd.sandbox.recipe import Recipe, Record, Shape, between, put, scaled
from syncd.sandbox.values import pool_id, subject

_DAY = 86_400


def _age(making: Making) -> int:
    """Days since the record was created, as of the first day."""
    return (making.world.today - making.day).days


def _closed(making: Making, after: int) -> bool:
    """Whether it has been dealt with: nearly all of the old, few of the young."""
    return making.chance(0.92 if _age(making) > after else 0.3)


def _answerer(making: Making) -> dict[str, Any]:
    """One of the few people on a project who answer most questions."""
    assert making.project
    user = making.world.users[making.rng.choice(making.project.users[::5])]
    return {"login": user.login, "id": user.id, "name": user.name}


def _rfi(making: Making, record: Record) -> None:
    number = f"{making.index + 1:03d}"
    draft = making.index % 23 == 22  # noqa: PLR2004 - one in 23
    closed = not draft and _closed(making, 45)
    status = "draft" if draft else "closed" if closed else "open"
    due = making.around(7, 14).isoformat()
    put(record, number=number, full_number=number, prefix=None, subject=subject(making), status=status, due_date=due)
    put(record, translated_status=status.capitalize(), initiated_at=stamp(making.created))
    put(record, time_resolved=stamp(making.updated) if closed else None)
    waits = None if closed or draft else _answerer(making)
    put(record, ball_in_court=waits, ball_in_courts=[] if waits is None else [waits])
    put(record, reference=f"Drawing A-{making.rng.randrange(101, 640)}")


_SUBMITTAL_STATES = ((203_238, "Draft"), (203_239, "Open"), (203_240, "Closed"))


def _submittal(making: Making, record: Record) -> None:
    closed = _closed(making, 60)
    status_id, status = _SUBMITTAL_STATES[2 if closed else making.rng.choice((0, 1, 1, 1))]
    kind = making.rng.choice(names.SUBMITTALS)
    put(record, status={"id": status_id, "name": status, "status": status}, number=f"{making.index + 1}")
    put(
        record,
        title=f"{kind}: {making.cost_code().name}",
        formatted_number=f"{making.cost_code().division}-{making.index + 1:03d}",
    )
    put(
        record,
        type={"id": pool_id("submittal_type", names.SUBMITTALS.index(kind)), "name": kind, "translated_name": kind},
    )
    put(record, closed_at=stamp(making.updated) if closed else None, due_date=making.around(10, 30).isoformat())
    if closed:
        put(record, ball_in_court=[])


def _punch(making: Making, record: Record) -> None:
    closed = _closed(making, 30)
    put(record, name=subject(making, names.PUNCH), position=making.index + 1, status="Closed" if closed else "Open")
    put(record, workflow_status="closed" if closed else making.rng.choice(("work_required", "ready_for_review")))
    put(
        record,
        closed_at=stamp(making.updated) if closed else None,
        closed_by=None if not closed else record.get("closed_by"),
    )


def _observation(making: Making, record: Record) -> None:
    status = "closed" if _closed(making, 30) else making.rng.choice(("initiated", "ready_for_review", "not_accepted"))
    put(record, name=subject(making), number=making.index + 1, status=status)


def _inspection(making: Making, record: Record) -> None:
    closed = _closed(making, 14)
    put(
        record,
        name=f"{making.cost_code().name} inspection",
        number=making.index + 1,
        status="Closed" if closed else "Open",
    )
    put(record, inspection_date=making.day.isoformat(), closed_at=stamp(making.updated) if closed else None)


def _meeting(making: Making, record: Record) -> None:
    series = ("Owner architect contractor", "Subcontractor coordination", "Safety", None)[making.index % 4]
    put(
        record,
        group_title=series,
        title=f"{series or 'Special'} meeting {making.index // 4 + 1}",
        occurred=_age(making) > 0,
    )


def _drawing(making: Making, record: Record) -> None:
    discipline = ("Architectural", "Structural", "Mechanical", "Electrical", "Plumbing")[making.index % 5]
    put(
        record,
        number=f"{discipline[0]}-{101 + making.index}",
        discipline=discipline,
        title=f"{discipline} plan {making.index + 1}",
    )


def _drawing_revision(making: Making, record: Record) -> None:
    number = making.index // 2
    put(record, number=f"A-{101 + number}", revision_number=str(making.index % 2), current=making.index % 2 == 1)
    put(record, title=f"Floor plan {number + 1}")


def _section(making: Making, record: Record) -> None:
    code, name = names.COST_CODES[making.index % len(names.COST_CODES)]
    put(record, number=code.replace("-", " "), description=name, label=f"{code.replace('-', ' ')} - {name}")


def _division(making: Making, record: Record) -> None:
    number, name = list(names.DIVISIONS.items())[making.index % len(names.DIVISIONS)]
    put(record, number=number, description=name)


def _photo(making: Making, record: Record) -> None:
    put(record, filename=f"IMG_{4000 + making.index}.jpg", taken_at=stamp(making.created), description=subject(making))


def _schedule(making: Making, record: Record) -> None:
    assert making.project
    put(
        record,
        schedule_name=f"{making.project.name} baseline",
        is_active=True,
        start_date=making.project.start.isoformat(),
    )


def _activity(making: Making, record: Record) -> None:
    code = making.cost_code()
    put(
        record,
        activity_name=f"{code.name}, {making.location().node}",
        percent_complete=float(min(100, max(0, _age(making)))),
    )


def _manpower(making: Making, record: Record) -> None:
    vendor, workers = making.vendor(), making.rng.randint(2, 14)
    hours = making.rng.choice((8.0, 8.0, 8.0, 10.0, 6.0))
    trade = names.TRADES.index(vendor.trade)
    put(record, vendor={"id": vendor.id, "name": vendor.name}, num_workers=workers, num_hours=f"{hours:.1f}")
    put(record, man_hours=f"{workers * hours:.1f}", status="approved", position=making.index + 1)
    if record.get("trade"):
        record["trade"] |= {"id": making.world.id_of("trades", None, trade), "name": vendor.trade}


def _work(making: Making, record: Record) -> None:
    vendor = making.vendor()
    put(
        record,
        resource_name=vendor.name,
        vendor={"id": vendor.id, "name": vendor.name},
        workers=making.rng.randint(1, 10),
    )
    put(record, hours=making.rng.choice((4.0, 6.5, 8.0, 8.0, 10.0)))


def _weather(making: Making, record: Record) -> None:
    put(
        record,
        sky=making.rng.choice(("Clear", "Partly Cloudy", "Overcast")),
        wind=making.rng.choice(("Calm", "Breezy", "Windy")),
    )
    put(
        record,
        temperature=making.rng.choice(("Cold", "Cool", "Warm", "Hot")),
        precipitation=making.rng.choice(("None", "None", "Rain")),
    )
    put(record, ground=making.rng.choice(("Dry", "Dry", "Wet", "Muddy")), average=f"{making.rng.randint(41, 93)}")


def _timecard(making: Making, record: Record) -> None:
    project = making.world.projects[making.rng.randrange(len(making.world.projects))]
    code = making.rng.choice(project.leaves)
    put(record, hours=making.rng.choice(("4.0", "8.0", "8.0", "8.0", "9.5", "10.0")), approval_status="approved")
    put(record, project={"id": project.id, "name": project.name}, cost_code={"id": code.id, "name": code.name})


def _reply(making: Making, record: Record) -> None:
    put(record, body=making.rng.choice(names.PHRASES), official=making.index == 0)


def _list(count: int, shape: Shape | None = None) -> Recipe:
    return Recipe(scaled(count), shape=shape)


FIELD: dict[str, Recipe] = {
    "rfis": _list(30, _rfi),
    "rfi_replies": Recipe(between(1, 3), shape=_reply),
    "submittals": _list(55, _submittal),
    "punch_items": _list(70, _punch),
    "observations": _list(40, _observation),
    "inspections": _list(28, _inspection),
    "inspection_items": _list(110),
    "inspection_sections": _list(45),
    "incidents": _list(8),
    "incident_injuries": _list(4),
    "incident_near_misses": _list(6),
    "meetings": _list(24, _meeting),
    "drawing_areas": Recipe(lambda *_: 2),
    "drawings": _list(24, _drawing),
    "drawing_revisions": _list(75, _drawing_revision),
    "specification_sections": _list(40, _section),
    "specification_section_divisions": Recipe(lambda *_: 6, shape=_division),
    "specification_section_revisions": Recipe(between(4, 9), shape=_section),
    "project_documents": _list(60),
    "photos": _list(95, _photo),
    "forms": _list(14),
    "task_items": _list(24),
    "correspondence_items": _list(18),
    "schedules": Recipe(lambda *_: 1, shape=_schedule),
    "schedule_activities": _list(80, _activity),
    "timesheets": _list(30),
    "timecard_entries": _list(1500, _timecard),
    "manpower_logs": _list(210, _manpower),
    "work_logs": _list(60, _work),
    "weather_logs": _list(120, _weather),
    "notes_logs": _list(65),
    "delivery_logs": _list(40),
    "visitor_logs": _list(40),
    "inspection_logs": _list(24),
    "equipment_logs": _list(45),
    "call_logs": _list(16),
    "delay_logs": _list(16),
    "accident_logs": _list(4),
    "dumpster_logs": _list(16),
    "safety_violation_logs": _list(8),
    "plan_revision_logs": _list(12),
    "productivity_logs": _list(35),
    "quantity_logs": _list(24),
    "waste_logs": _list(12),
    "daily_construction_report_logs": _list(35),
}
