"""Propose catalog entries from a folder of facts about the API.

The committed YAML under `syncd/catalog/data` is what counts; this program only saves typing when Procore publishes new
lists. Usage: python tools/propose_catalog.py FACTS_FOLDER OUTPUT_FOLDER, where FACTS_FOLDER holds `resources.csv`,
`endpoints.jsonl`, `post_reads.jsonl` and `webhooks.csv`.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

Entry = dict[str, Any]

V1_PAGE, V2_PAGE = 2000, 100
EVER = "2000-01-01T00:00:00Z...2100-01-01T00:00:00Z"

WINDOWS = {
    "timecard_entries": {"first": "start_date", "last": "end_date", "column": "date"},
    "company_timesheet_timecards": {"first": "start_date", "last": "end_date", "column": None},
}
"""Lists that need a range of days although the facts name no default."""

OVERRIDES: dict[str, Entry] = {
    "projects": {"params": {"filters[by_status]": "All"}},
    "company_workflow_instances": {"parents": {"filters[tool_type]": ["workflow_templates.tool_type"]}},
    "project_workflow_instances": {"parents": {"filters[tool_type]": ["workflow_templates.tool_type"]}},
    "company_workflow_presets": {"parents": {"filters[tool_type]": ["workflow_templates.tool_type"]}},
    "project_workflow_presets": {"parents": {"filters[tool_type]": ["workflow_templates.tool_type"]}},
    "resource_planning_assignments": {
        "params": {"dayRange": "3650", "start_day": "2020-01-01"},
        "envelope": "object:data",
        "note": "dayRange and start_day are required; override them to read other years",
    },
    "resource_planning_person_time_off": {
        "params": {"timezone": "UTC"},
        "paging": "cursor",
        "page_params": ["start_after", "limit"],
    },
    "resource_planning_notification_profiles": {"paging": "cursor", "page_params": ["starting_after", "limit"]},
    "bid_package_documents": {"paging": "page", "page_params": ["pdm_page", "pdm_per_page"]},
    "coordination_issues": {"scope_params": {"project_id": "project_id"}},  # for its recycle bin of v1
    "project_links": {"scope_params": {"project_id": "project_id"}},  # likewise
    "budget_detail_rows": {"key": ["budget_view_id", "id"]},
    "budget_detail_columns": {"key": ["budget_view_id", "id"]},
    "rfis": {"sort": {"stable": {"sort[attribute]": "created_at", "sort[direction]": "asc"}}},
}
"""What needs a person's judgement."""

IDS = {"schedules": ".schedule_id"}
"""Suppliers whose id is not called so."""

POST_NAMES = {
    "/rest/v1.0/budget_views/{budget_view_id}/budget_details": ("budget_details", {"budget_view_id": ["budget_views"]}),
    "/rest/v1.0/companies/{company_id}/managed_equipment/query": ("company_managed_equipment_search", {}),
    "/rest/v1.0/projects/{project_id}/managed_equipment/search": ("project_managed_equipment_search", {}),
    "/rest/v1.0/projects/{project_id}/time_and_material_entries/search": ("time_and_material_entries_search", {}),
}
"""POST reads that answer a list; the others need ids that a caller chooses."""


def main() -> None:
    """Write the proposal."""
    facts, output = Path(sys.argv[1]), Path(sys.argv[2])
    rows = list(csv.DictReader((facts / "resources.csv").open()))
    endpoints = {e["path"]: e for e in map(json.loads, (facts / "endpoints.jsonl").open())}
    webhooks: dict[str, list[str]] = defaultdict(list)
    for hook in csv.DictReader((facts / "webhooks.csv").open()):
        if hook["table"]:
            webhooks[hook["table"]].append(hook["resource_name"])
    by_path = {row["path"]: row["resource"] for row in rows}
    for row in rows:
        for older in row["older_paths"].split("|"):
            by_path.setdefault(older.strip(), row["resource"])
    files: dict[Path, dict[str, Entry]] = defaultdict(dict)
    for row in rows:
        entry = propose(row, endpoints[row["path"]], by_path, webhooks[row["resource"]])
        files[file_of(row["tool"])][row["resource"]] = entry
    for post in map(json.loads, (facts / "post_reads.jsonl").open()):
        if post["path"] in POST_NAMES:
            name, parents = POST_NAMES[post["path"]]
            files[file_of(post["tool"])][name] = propose_post(post, parents)
    suppliers = {
        n for entries in files.values() for e in entries.values() for names in e["parents"].values() for n in names
    }
    for entries in files.values():
        for name in suppliers & entries.keys():
            if not entries[name]["fields"]:
                entries[name] |= {
                    "key": None,
                    "fields": {"id": "string" if "/v2" in entries[name]["path"] else "integer"},
                }
    for path, entries in files.items():
        target = output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(entries))
    print(f"{sum(map(len, files.values()))} resources in {len(files)} files")


def file_of(tool: str) -> Path:
    """`Project Management/RFI/rfis` stands in `project_management/rfi.yaml`."""
    area, section, *_ = tool.split("/")
    return Path(slug(area)) / f"{slug(section)}.yaml"


def slug(text: str) -> str:
    """A file name of a tool's name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def propose(row: Entry, endpoint: Entry, by_path: dict[str, str], hooks: list[str]) -> Entry:
    """One entry."""
    name, version = row["resource"], endpoint["version"]
    fields, group = record_fields(name, endpoint)
    parents, path = parents_of(row, endpoint, by_path)
    entry: Entry = {
        "title": row["title"],
        "tool": row["tool"],
        "path": path,
        "scope": row["scope"],
        "scope_params": scope_params(row, endpoint),
        "parents": parents,
        "enumerate": enumerated(endpoint, parents),
        "paging": {"page": "page", "cursor": "cursor", "offset": "offset"}.get(endpoint["paging"], "none"),
        "page_size": page_size(endpoint, version),
        "envelope": envelope(row, version),
        "group": group,
        "updated_at": (endpoint["updated_at_filter"] or "").replace("[gt]", "") or None,
        "updated_at_form": "gt" if "[gt]" in (endpoint["updated_at_filter"] or "") else None,
        "window": WINDOWS.get(name) or window(endpoint),
        "sort": sort(endpoint, fields),
        "deletions": deletions(row, endpoint),
        "key": key(row, fields, group),
        "tier": 1 if row["tier"] == "1" else None,
        "webhooks": hooks,
        "detail": detail(endpoint),
        "detail_fields": dict.fromkeys(endpoint["detail_only_fields"] or [], "any") if detail(endpoint) else None,
        "deprecated": endpoint["deprecated"] or None,
        "note": row["note"],
    }
    if "{" in json.dumps(endpoint["updated_at_filter"] or ""):
        entry["updated_at"] = None
    for name_, value in OVERRIDES.get(name, {}).items():
        entry[name_] = value
    entry["enumerate"] = {k: v for k, v in entry["enumerate"].items() if k not in entry["parents"]}
    for fixed in entry.get("params", {}):
        entry["enumerate"].pop(fixed, None)
    if entry["updated_at_form"] == "gt":
        entry["updated_at"] = endpoint["updated_at_filter"]
    if not fields:
        entry["note"] = "; ".join(filter(None, [row["note"], "columns are made as fields are found"]))
    entry["fields"] = fields
    return entry


def propose_post(post: Entry, parents: Entry) -> Entry:
    """A read that is a POST."""
    project = any(p["name"] == "project_id" for p in post["params"])
    query = {p["name"]: p["name"] for p in post["params"] if p["name"] == "project_id" and p["in"] == "query"}
    paged = any(p["name"] == "per_page" for p in post["params"])
    return {
        "title": post["title"],
        "tool": post["tool"],
        "path": post["path"],
        "scope": "project" if project else "company",
        "scope_params": query,
        "parents": parents,
        "method": "POST",
        "body": {},
        "paging": "page" if paged else "none",
        "page_size": V1_PAGE if paged else None,
        "envelope": post["envelope"] if post["envelope"] != "unknown" else "array",
        "key": [*parents, "id"] if parents else ["id"],
        "note": "a read by POST",
        "fields": post["fields"] or {},
    }


def record_fields(name: str, endpoint: Entry) -> tuple[Entry, str | None]:
    """The type tree of one record, out of its group where items are groups."""
    fields = endpoint["fields"] or {}
    if name == "meetings":
        (meeting,) = fields["meetings"]
        return {**{k: v for k, v in fields.items() if k != "meetings"}, **meeting}, "meetings"
    if name == "resource_planning_assignments":
        inner = fields["data"]
        return (inner[0] if isinstance(inner, list) and isinstance(inner[0], dict) else {}), None
    if set(fields) <= {"data", "error"} and fields:
        inner = fields.get("data")
        inner = inner[0] if isinstance(inner, list) and inner else inner
        return (inner if isinstance(inner, dict) else {}), None
    if {"code", "message"} <= set(fields) and "reason" in fields:
        return {}, None
    return fields, None


def parents_of(row: Entry, endpoint: Entry, by_path: dict[str, str]) -> tuple[dict[str, list[str]], str]:
    """Suppliers per placeholder; `{id}` gets the name of what it identifies."""
    path, parents = row["path"], {}
    for placeholder, supplier in endpoint["parents"].items():
        paths = supplier if isinstance(supplier, list) else [supplier] if supplier else []
        names = [by_path[p] for p in paths if p in by_path]
        if not names:
            names = [n for n in row["parent_resource"].split("|") if n and not n.startswith("?")]
        if not names:
            continue
        name = placeholder
        if placeholder == "id":
            name = re.sub(r"ies$", "y", names[0]) if names[0].endswith("ies") else names[0].removesuffix("s")
            name = f"{name}_id"
            path = path.replace("{id}", f"{{{name}}}")
        parents[name] = [f"{n}{IDS.get(n, '')}" for n in names]
    return parents, path


def scope_params(row: Entry, endpoint: Entry) -> dict[str, str]:
    """Where the scope's ids go as query parameters."""
    wanted = {"project": ("project_id", "company_id"), "company": ("company_id",), "none": ()}[row["scope"]]
    places = endpoint["scope_ids"].items()
    params = {scope_id: scope_id for scope_id, place in places if scope_id in wanted and place.startswith("query")}
    if "project_id" in params and endpoint["scope_ids"].get("company_id") == "query?":
        params.pop("company_id", None)
    return params


def enumerated(endpoint: Entry, parents: Entry) -> dict[str, list[str]]:
    """Required parameters that are no ids: the values to go through, none where they are not published."""
    found = {}
    unknown = [name for name in endpoint["parents"] if name not in parents and name != "id"]
    for name in [*endpoint["required_other"], *unknown]:
        param: Entry = next((p for p in endpoint["params"] if p["name"] == name), {})
        found[name] = list(param.get("enum") or [])
    return found


def page_size(endpoint: Entry, version: str) -> int | None:
    """The largest useful page (Procore's guide: v1 at most 2,000 advised, v2 at most 100)."""
    if endpoint["paging"] == "none":
        return None
    most = (endpoint["per_page"] or {}).get("max")
    return min(most or 10**6, V2_PAGE if version.startswith("v2") else V1_PAGE)


def envelope(row: Entry, version: str) -> str:
    """How the list is wrapped."""
    if row["envelope"] == "unknown":
        return "data" if version.startswith("v2") else "array"
    return str(row["envelope"])


def window(endpoint: Entry) -> Entry | None:
    """Days to ask for, where the list answers for today or this week without."""
    if not endpoint["default_window"] or not endpoint["date_window"]:
        return None
    return {
        "first": "start_date",
        "last": "end_date",
        "column": "date" if "date" in (endpoint["fields"] or {}) else None,
    }


def sort(endpoint: Entry, fields: Entry) -> Entry | None:
    """Stable and latest-change orders."""
    offered = endpoint["sort"] or {}
    values, direction = offered.get("enum") or [], offered.get("direction_param")
    found: Entry = {}
    for stable in ("id", "created_at"):
        if stable in values:
            found["stable"] = {offered["param"]: stable, **({direction: "asc"} if direction else {})}
            break
    if "updated_at" in values and not endpoint["updated_at_filter"] and "updated_at" in fields:
        found["recent"] = (
            {offered["param"]: "updated_at", direction: "desc"} if direction else {offered["param"]: "-updated_at"}
        )
    return found or None


def deletions(row: Entry, endpoint: Entry) -> Entry | None:
    """Where Procore lists deleted records."""
    if row["deletes"].startswith("/"):
        return {"path": row["deletes"]}
    param = endpoint["include_deleted"]
    if not param:
        return None
    described: Entry = next((p for p in endpoint["params"] if p["name"] == param), {})
    if described.get("enum"):
        return {"param": param, "value": "with" if endpoint["has_deleted_at"] else "only"}
    return {"param": param, "value": "true" if described.get("type") == "boolean" else EVER}


def key(row: Entry, fields: Entry, group: str | None) -> list[str] | None:
    """What identifies a record; None is `id`, an empty list its content."""
    guess = "id" if group else row["primary_key"]
    if guess == "id":
        return None
    if guess:
        return [guess]
    return None if "id" in fields else []


def detail(endpoint: Entry) -> str | None:
    """The single-record call, where it gives more than the list."""
    path = endpoint["detail_path"]
    if not path or not endpoint["detail_only_fields"]:
        return None
    ids = re.findall(r"{(\w+)}", path)
    own = [i for i in ids if i not in endpoint["path_params"] and i not in ("company_id", "project_id")]
    return str(path).replace(f"{{{own[-1]}}}", "{id}") if own else None


DEFAULTS: Entry = {"paging": "page", "envelope": "array", "key": ["id"], "page_size": 100, "method": "GET"}


def render(entries: dict[str, Entry]) -> str:
    """YAML that a person reads: one entry under the other, `fields` last, small objects on one line."""
    lines = []
    for name, entry in entries.items():
        lines.append(f"{name}:")
        fields = entry.pop("fields")
        for attribute, value in entry.items():
            default = value in (None, "", {}, []) or value == DEFAULTS.get(attribute)
            if not default or (attribute == "key" and value == []) or (attribute == "body" and value == {}):
                lines += indented({attribute: value}, 2, flow=True)
        lines.append("  fields:" if fields else "  fields: {}")
        for field, kind in fields.items():
            lines += indented({field: "any" if kind is None else kind}, 4, flow=False)
        lines.append("")
    return "\n".join(lines)


def indented(value: Entry, by: int, *, flow: bool) -> list[str]:
    """A mapping of one key as indented YAML lines."""
    (name,) = value
    inner = value[name]
    style = True if flow and not isinstance(inner, str) else None
    if not isinstance(inner, dict | list):
        text = yaml.safe_dump({name: inner}, sort_keys=False, width=1000, allow_unicode=True)
    elif style:
        text = yaml.safe_dump(name).replace("\n...", "").strip() + ": "
        text += yaml.safe_dump(inner, sort_keys=False, width=1000, default_flow_style=True, allow_unicode=True)
    else:
        text = yaml.safe_dump({name: none_to_any(inner)}, sort_keys=False, width=116, default_flow_style=None)
    return [" " * by + line for line in text.rstrip().splitlines()]


def none_to_any(tree: Any) -> Any:
    """A type that is not published is `any`."""
    if isinstance(tree, dict):
        return {name: none_to_any(kind) for name, kind in tree.items()}
    if isinstance(tree, list):
        return [none_to_any(kind) for kind in tree]
    return "any" if tree is None else tree


if __name__ == "__main__":
    main()
