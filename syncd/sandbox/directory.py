"""Recipes of the company's directory, its projects, and their cost codes and places."""

from __future__ import annotations

from syncd.sandbox import names
from syncd.sandbox.catalog import Entry
from syncd.sandbox.making import Making, money
from syncd.sandbox.recipe import Parent, Recipe, Record, put, scaled
from syncd.sandbox.shapes import cost_code_values, custom_id, custom_label, lov_entries
from syncd.sandbox.world import COMPANY_ID, COMPANY_NAME, Project, User, Vendor, World


def _company(_: Making, record: Record) -> None:
    put(record, name=COMPANY_NAME, is_active=True, my_company=True)


def _project(making: Making, record: Record) -> None:
    project = making.world.projects[making.index]
    start, finish = project.start.isoformat(), project.finish.isoformat()
    put(record, name=project.name, display_name=f"{project.number} {project.name}", project_number=project.number)
    put(record, active=project.active, city=project.city, state_code=project.state, country_code="US", county=None)
    put(record, start_date=start, actual_start_date=start, estimated_start_date=start, completion_date=finish)
    put(record, estimated_completion_date=finish, projected_finish_date=finish, time_zone="US/Pacific", is_demo=False)
    put(record, estimated_value=money(project.value), total_value=money(project.value))
    put(record, project_stage={"id": 100 + len(project.stage), "name": project.stage})
    put(record, company={"id": COMPANY_ID, "name": COMPANY_NAME})


def _person(user: User, vendors: tuple[Vendor, ...], record: Record) -> None:
    vendor = vendors[user.vendor or 0]
    put(record, first_name=user.first_name, last_name=user.last_name, name=user.name, initials=user.initials)
    put(record, email_address=user.login, login=user.login, job_title=user.job_title, is_employee=user.vendor == 0)
    put(record, vendor={"id": vendor.id, "name": vendor.name}, company=vendor.name, abbreviated_name=vendor.name)


def _user(making: Making, record: Record) -> None:
    users = making.world.users
    if making.index < len(users):
        _person(users[making.index], making.world.vendors, record)
    else:
        _newcomer(record)


def _newcomer(record: Record) -> None:
    """Someone added later has a name of their own parts."""
    put(record, name=f"{record.get('first_name')} {record.get('last_name')}")


def _project_user(making: Making, record: Record) -> None:
    assert making.project
    if making.index < len(making.project.users):
        _person(making.world.users[making.project.users[making.index]], making.world.vendors, record)
        put(record, project_ids=[making.project.id])
    else:
        _newcomer(record)


def _vendor_values(vendor: Vendor, record: Record) -> None:
    put(record, name=vendor.name, company=vendor.name, abbreviated_name=vendor.name.split()[0], trade_name=vendor.trade)


def _vendor(making: Making, record: Record) -> None:
    if making.index < len(making.world.vendors):
        _vendor_values(making.world.vendors[making.index], record)


def _project_vendor(making: Making, record: Record) -> None:
    assert making.project
    if making.index < len(making.project.vendors):
        _vendor_values(making.world.vendors[making.project.vendors[making.index]], record)


def _user_of_project(world: World, project: Project | None, _: Parent, index: int) -> int | None:
    assert project
    return world.users[project.users[index]].id if index < len(project.users) else None


def _vendor_of_project(world: World, project: Project | None, _: Parent, index: int) -> int | None:
    assert project
    return world.vendors[project.vendors[index]].id if index < len(project.vendors) else None


def _cost_code(making: Making, record: Record) -> None:
    assert making.project
    if making.index >= len(making.project.cost_codes):
        return
    code = making.project.cost_codes[making.index]
    put(record, **{name: value for name, value in cost_code_values(making, code).items() if name != "id"})
    put(record, position=making.index + 1, parent={"id": code.parent}, budgeted=code.budget > 0)


def _wbs_code(making: Making, record: Record) -> None:
    assert making.project
    if making.index < len(making.project.leaves):
        code = making.project.leaves[making.index]
        put(record, flat_code=code.code, flat_name=code.name, description=code.name, status="active")


def _wbs_id(_: World, project: Project | None, __: Parent, index: int) -> int | None:
    assert project
    return project.leaves[index].id + 1 if index < len(project.leaves) else None


def _location(making: Making, record: Record) -> None:
    assert making.project
    if making.index < len(making.project.locations):
        place = making.project.locations[making.index]
        put(record, name=place.name, node_name=place.node, parent_id=place.parent)


def _definition(making: Making, record: Record) -> None:
    customs = making.world.custom_fields
    if making.index < len(customs):
        resource, shape = customs[making.index]
        put(record, label=custom_label(resource, shape), data_type=shape, active=True, variant=None)
        put(record, description=f"Of {resource.replace('_', ' ')}", default_value=None)


def _definition_id(world: World, _: Project | None, __: Parent, index: int) -> int | None:
    customs = world.custom_fields
    return custom_id(*customs[index]) if index < len(customs) else None


def _offers(world: World, parent: Parent) -> list[Record]:
    for resource, shape in world.custom_fields:
        if shape in ("lov_entry", "lov_entries") and str(custom_id(resource, shape)) in parent.values():
            return lov_entries(resource, shape)
    return []


def _offer(making: Making, record: Record) -> None:
    offers = _offers(making.world, making.parent)
    if making.index < len(offers):
        put(record, **offers[making.index])


def _offer_count(world: World, _: Entry, __: Project | None, parent: Parent) -> int:
    return len(_offers(world, parent))


def _offer_id(world: World, _: Project | None, parent: Parent, index: int) -> int | None:
    offers = _offers(world, parent)
    return int(offers[index]["id"]) if index < len(offers) else None


def _named(words: tuple[str, ...], **more: str) -> Recipe:
    def shape(making: Making, record: Record) -> None:
        put(record, name=words[making.index % len(words)], **more)

    return Recipe(lambda *_: len(words), shape=shape)


def _equipment(making: Making, record: Record) -> None:
    put(record, name=names.EQUIPMENT[making.index % len(names.EQUIPMENT)].format(n=making.index + 1))


def _of_project(attribute: str) -> Recipe:
    """So many records as the project has of something."""
    shape, identity = _OF_PROJECT[attribute]
    return Recipe(lambda _, __, project, ___: len(getattr(project, attribute)), identity, shape)


_OF_PROJECT = {
    "users": (_project_user, _user_of_project),
    "vendors": (_project_vendor, _vendor_of_project),
    "cost_codes": (_cost_code, None),
    "leaves": (_wbs_code, _wbs_id),
    "locations": (_location, None),
}

DIRECTORY: dict[str, Recipe] = {
    "companies": Recipe(lambda *_: 1, lambda *_: COMPANY_ID, _company),
    "projects": Recipe(lambda world, *_: len(world.projects), shape=_project),
    "company_users": Recipe(lambda world, *_: len(world.users), shape=_user),
    "vendors": Recipe(lambda world, *_: len(world.vendors), shape=_vendor),
    "project_users": _of_project("users"),
    "project_vendors": _of_project("vendors"),
    "cost_codes": _of_project("cost_codes"),
    "wbs_codes": _of_project("leaves"),
    "locations": _of_project("locations"),
    "departments": _named(names.DEPARTMENTS),
    "permission_templates": _named(names.PERMISSION_TEMPLATES),
    "trades": _named(names.TRADES),
    "equipment": Recipe(scaled(60), shape=_equipment),
    "custom_field_definitions": Recipe(lambda world, *_: len(world.custom_fields), _definition_id, _definition),
    "custom_field_lov_entries": Recipe(_offer_count, _offer_id, _offer),
}
