"""A record of a type tree: objects that name a person, a company, a cost code or a place name a real one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from syncd.sandbox import names, values
from syncd.sandbox.catalog import Tree
from syncd.sandbox.making import Maker, Making
from syncd.sandbox.world import World, mix

_CUSTOM = re.compile(r"^custom_field_{(\w+?)_definition_id}$")
_CUSTOM_LABELS = {
    "string": ("Owner Reference", "Bid Package", "Area of Work"),
    "decimal": ("Lead Time (weeks)", "Allowance", "Unit Rate"),
    "boolean": ("Back-charge", "Long Lead Item", "Owner Furnished"),
    "lov_entry": ("Discipline", "Root Cause", "Phase"),
    "lov_entries": ("Affected Areas", "Trades Involved", "Tags"),
    "login_information": ("Responsible Engineer", "Checked By"),
    "login_informations": ("Reviewers",),
    "vendor": ("Installing Company",),
    "datetime": ("Site Walk",),
}


def compile_tree(tree: Tree, path: str) -> Callable[[Making], dict[str, Any]]:
    """The maker of an object: one maker per field, decided once.

    Args:
        tree: Its type tree.
        path: Where it stands, `rfis` for a record itself, `rfis.questions` further down.
    """
    makers = {name: _maker(name, kind, f"{path}.{name}") for name, kind in tree.items() if not _CUSTOM.match(name)}
    customs = [found.group(1) for name in tree if (found := _CUSTOM.match(name))]
    if not customs:
        return lambda making: {name: make(making) for name, make in makers.items()}
    root = path.partition(".")[0]

    def with_customs(making: Making) -> dict[str, Any]:
        made = {name: make(making) for name, make in makers.items()}
        for shape in customs:
            if making.rng.random() < 0.8:  # noqa: PLR2004: a field that was never filled in is absent
                made[f"custom_field_{custom_id(root, shape)}"] = _custom(making, root, shape)
        return made

    return with_customs


def custom_id(resource: str, shape: str) -> int:
    """Id of the definition of a resource's custom field of one kind."""
    return 562_949_954_000_000 + mix("custom", resource, shape) % 1_000_000


def custom_label(resource: str, shape: str) -> str:
    """What a custom field is called on the screen."""
    labels = _CUSTOM_LABELS.get(shape, ("Remark",))
    return labels[mix(resource, shape) % len(labels)]


def custom_shapes(tree: Tree) -> list[str]:
    """Kinds of custom fields that records of this tree carry."""
    fields = tree.get("custom_fields")
    if not isinstance(fields, Mapping):
        return []
    return [found.group(1) for name in fields if (found := _CUSTOM.match(name))]


def lov_entries(resource: str, shape: str) -> list[dict[str, Any]]:
    """The entries that a list-valued custom field offers."""
    base = custom_id(resource, shape)
    return [{"id": base * 10 + n, "label": f"{names.TRADES[n]}", "position": n + 1, "active": True} for n in range(6)]


def _custom(making: Making, resource: str, shape: str) -> dict[str, Any]:
    rng = making.rng
    entries = lov_entries(resource, shape)

    def entry() -> dict[str, Any]:
        chosen = rng.choice(entries)
        return {"id": chosen["id"], "label": chosen["label"]}

    def person() -> dict[str, Any]:
        user = making.user()
        return {"id": user.id, "label": user.name}

    def company() -> dict[str, Any]:
        vendor = making.vendor()
        return {"id": vendor.id, "label": vendor.name}

    value: Any
    if rng.random() < 0.15:  # noqa: PLR2004: filled in once, emptied later
        value = [] if shape in ("lov_entries", "login_informations") else None
    elif shape in ("lov_entries", "login_informations"):
        make = entry if shape == "lov_entries" else person
        found = {item["id"]: item for item in (make() for _ in range(rng.randrange(0, 4)))}
        value = list(found.values())
    else:
        value = {
            "string": lambda: rng.choice(names.PHRASES),
            "decimal": lambda: rng.randrange(1, 40_000) / 4,
            "boolean": lambda: rng.random() < 0.5,  # noqa: PLR2004: a coin
            "lov_entry": entry,
            "login_information": person,
            "vendor": company,
            "datetime": lambda: f"{making.day.isoformat()}T17:00:00Z",
        }.get(shape, lambda: "n/a")()
    return {"data_type": shape, "value": value}


def _maker(name: str, kind: Any, path: str) -> Maker:
    if isinstance(kind, Mapping) and kind:
        return _object(name, kind, path)
    if isinstance(kind, list) and kind:
        return _array(name, kind[0], path)
    return values.leaf(name, kind if isinstance(kind, str) else "any", path)


def _array(name: str, item: Any, path: str) -> Maker:
    make = _maker(name, item, path)
    keyed = isinstance(item, Mapping) and "id" in item

    def several(making: Making) -> list[Any]:
        made = [make(making) for _ in range(making.rng.choice((0, 1, 1, 2, 3)))]
        found = [one for one in made if one is not None]
        return list({one["id"]: one for one in found}.values()) if keyed else found

    return several


def _object(name: str, tree: Tree, path: str) -> Maker:
    fill = compile_tree(tree, path)
    overlay = _overlay(name, tree, path)
    whole = name in ("custom_fields", "currency_configuration") or "id" not in tree

    def made(making: Making) -> dict[str, Any] | None:
        value = fill(making)
        for key, own in overlay(making).items():
            if key in tree:
                value[key] = str(own) if tree[key] == "string" and own is not None else own
        return None if not whole and making.rng.random() < 0.05 else value  # noqa: PLR2004: a null may stand anywhere

    return made


Overlay = Callable[[Making], dict[str, Any]]


def _overlay(name: str, tree: Tree, path: str) -> Overlay:
    """What is known of an object because of what it is."""
    if "id" not in tree:
        return lambda _: {}
    if "cost_code" in name:
        return _cost_code
    if name in ("wbs_code", "budget_code"):
        return _wbs_code
    if name == "location":
        return _location
    if name == "project":
        return _project
    if name == "trade" or name == "trades":
        return _trade
    if "login" in tree or (values.is_person(name) and "name" in tree):
        return _person
    if values.is_vendor(name) and ("name" in tree or "company" in tree):
        return _vendor
    if _plain(tree):
        return _pooled(name)
    return lambda making: {"id": World.child_id(path, f"{making.id}{making.parent}", making.rng.randrange(250))}


def _plain(tree: Tree) -> bool:
    """Whether an object is but an id and a name: a status, a type, a stage."""
    return bool({"name", "label", "title"} & set(tree)) and not any(
        isinstance(kind, Mapping | list) for kind in tree.values()
    )


def _person(making: Making) -> dict[str, Any]:
    user = making.user()
    vendor = making.world.vendors[user.vendor or 0]
    return {
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "initials": user.initials,
        "company_name": vendor.name,
        "email_address": user.login,
        "vendor": {"id": vendor.id, "name": vendor.name},
    }


def _vendor(making: Making) -> dict[str, Any]:
    vendor = making.vendor()
    return {"id": vendor.id, "name": vendor.name, "company": vendor.name}


def cost_code_values(making: Making, code: Any) -> dict[str, Any]:
    """A cost code as nested objects show it."""
    project = making.some_project()
    return {
        "id": code.id,
        "name": code.name,
        "code": code.code.rpartition("-")[2],
        "full_code": code.code,
        "sortable_code": code.code,
        "biller": project.name,
        "biller_id": project.id,
        "biller_type": "Project",
        "budgeted": True,
        "deleted_at": None,
        "parent": {"id": code.parent},
        "line_item_types": [],
    }


def _cost_code(making: Making) -> dict[str, Any]:
    return cost_code_values(making, making.cost_code())


def _wbs_code(making: Making) -> dict[str, Any]:
    code = making.cost_code()
    return {"id": code.id + 1, "flat_code": code.code, "description": code.name}


def _location(making: Making) -> dict[str, Any]:
    place = making.location()
    return {"id": place.id, "name": place.name, "node_name": place.node, "parent_id": place.parent, "code": None}


def _project(making: Making) -> dict[str, Any]:
    project = making.some_project()
    return {"id": project.id, "name": project.name, "number": project.number, "project_number": project.number}


def _trade(making: Making) -> dict[str, Any]:
    choice = making.rng.randrange(len(names.TRADES))
    return {"id": making.world.id_of("trades", None, choice), "name": names.TRADES[choice], "active": True}


def _pooled(name: str) -> Overlay:
    words = name.replace("_", " ").rstrip("s").capitalize()

    def choice(making: Making) -> dict[str, Any]:
        nth = making.rng.randrange(6)
        text = f"{words} {nth + 1}"
        return {"id": values.pool_id(name, nth), "name": text, "label": text, "title": text}

    return choice
