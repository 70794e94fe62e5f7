"""A record of a type tree: objects that name a person, a company, a cost code or a place name a real one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from syncd.sandbox import names, values
from syncd.sandbox.catalog import Tree
from syncd.sandbox.making import Maker, Making
from syncd.sandbox.world import mix

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
    makers = [(name, _maker(name, kind, f"{path}.{name}")) for name, kind in tree.items() if not _CUSTOM.match(name)]
    root = path.partition(".")[0]
    customs = [(found.group(1), kind) for name, kind in tree.items() if (found := _CUSTOM.match(name))]
    if not customs:
        return lambda making: {name: make(making) for name, make in makers}
    custom_makers = [(f"custom_field_{custom_id(root, shape)}", _custom(root, shape, kind)) for shape, kind in customs]

    def with_customs(making: Making) -> dict[str, Any]:
        made = {name: make(making) for name, make in makers}
        # A field that was never filled in is absent.
        made.update((name, make(making)) for name, make in custom_makers if making.chance(0.8))
        return made

    return with_customs


def custom_id(resource: str, shape: str) -> int:
    """Id of the definition of a resource's custom field of one kind."""
    return 562_949_954_000_000 + mix("custom", resource, shape) % 1_000_000


def custom_label(resource: str, shape: str) -> str:
    """What a custom field is called on the screen."""
    labels = _CUSTOM_LABELS.get(shape, ("Remark",))
    return labels[mix(resource, shape) % len(labels)]


def custom_shapes(tree: Any) -> list[str]:
    """Kinds of custom fields that records of this tree carry, at whatever depth."""
    found: dict[str, None] = {}
    if isinstance(tree, Mapping):
        for name, kind in tree.items():
            custom = _CUSTOM.match(name)
            found.update(dict.fromkeys([custom.group(1)] if custom else custom_shapes(kind)))
    elif isinstance(tree, list):
        found.update((shape, None) for kind in tree for shape in custom_shapes(kind))
    return list(found)


def lov_entries(resource: str, shape: str) -> list[dict[str, Any]]:
    """The entries that a list-valued custom field offers."""
    base = custom_id(resource, shape)
    return [{"id": base * 10 + n, "label": f"{names.TRADES[n]}", "position": n + 1, "active": True} for n in range(6)]


def _custom(resource: str, shape: str, tree: Any) -> Maker:
    """The maker of a custom field: `{"data_type": ..., "value": ...}`, the value emptied now and then."""
    several = shape.endswith("s")
    offers = lov_entries(resource, shape)
    text_ids = "'id': 'string'" in str(tree)

    def entry(making: Making) -> dict[str, Any]:
        if shape.startswith("login"):
            user = making.user()
            chosen = {"id": user.id, "label": user.name}
        elif shape == "vendor":
            vendor = making.vendor()
            chosen = {"id": vendor.id, "label": vendor.name}
        else:
            offer = making.rng.choice(offers)
            chosen = {"id": offer["id"], "label": offer["label"]}
        return chosen | {"id": str(chosen["id"])} if text_ids else chosen

    def entries(making: Making) -> list[dict[str, Any]]:
        return list({one["id"]: one for one in (entry(making) for _ in range(making.rng.randrange(4)))}.values())

    value = entries if several else _CUSTOM_VALUES.get(shape, entry)

    def made(making: Making) -> dict[str, Any]:
        if making.chance(0.15):
            return {"data_type": shape, "value": [] if several else None}
        return {"data_type": shape, "value": value(making)}

    return made


_CUSTOM_VALUES: dict[str, Maker] = {
    "string": lambda making: making.rng.choice(names.PHRASES),
    "decimal": lambda making: making.rng.randrange(1, 40_000) / 4,
    "boolean": lambda making: making.chance(0.5),
    "datetime": lambda making: f"{making.day.isoformat()}T17:00:00Z",
}


def _maker(name: str, kind: Any, path: str) -> Maker:
    if name == "deleted_by":
        return lambda _: None
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
        return None if not whole and making.chance(0.05) else value

    return made


Overlay = Callable[[Making], dict[str, Any]]


def _overlay(name: str, tree: Tree, path: str) -> Overlay:
    """What is known of an object because of what it is."""
    if "id" not in tree:
        return lambda _: {}
    known = _KNOWN.get("cost_code" if "cost_code" in name else name)
    if known is not None:
        return known
    if "login" in tree or (values.is_person(name) and "name" in tree):
        return _person
    if values.is_vendor(name) and ("name" in tree or "company" in tree):
        return _vendor
    return _pooled(name) if _plain(tree) else _own(path)


def _own(path: str) -> Overlay:
    place = mix(path)
    return lambda making: {"id": making.inner_id(place)}


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
    texts = [(values.pool_id(name, nth), f"{words} {nth + 1}") for nth in range(6)]

    def choice(making: Making) -> dict[str, Any]:
        own, text = making.rng.choice(texts)
        return {"id": own, "name": text, "label": text, "title": text}

    return choice


_KNOWN: dict[str, Overlay] = {
    "cost_code": _cost_code,
    "wbs_code": _wbs_code,
    "budget_code": _wbs_code,
    "location": _location,
    "project": _project,
    "trade": _trade,
    "trades": _trade,
}
