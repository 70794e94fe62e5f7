"""`syncd resources`: the catalog, for a reader and for scripts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from syncd.catalog.layout import Layout, Table
    from syncd.catalog.load import Catalog
    from syncd.catalog.resource import Resource

Scope = Literal["none", "company", "project"]

_MINUS = re.compile(r"-(?!h$|v$)[A-Za-z*?\[][\w.*?\[\]-]*")
"""A word that takes resources away: `-photos`."""


class _Wishes(TyperCommand):
    """A command whose words may begin with a minus, as they may in a job's `resources`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        away = [word for word in args if _MINUS.fullmatch(word)]
        if away and "--" not in args:
            # Words before those that take away from them: options first, the rest as it stood.
            options, words = _parted(self, args)
            args = [*options, "--", *words]
        return super().parse_args(ctx, args)


def _parted(command: TyperCommand, args: Sequence[str]) -> tuple[list[str], list[str]]:
    valued = {name for one in command.params if one.param_type_name == "option" for name in _takers(one)}
    options: list[str] = []
    words: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word in valued and rest:
            options += [word, rest.pop(0)]
        elif word.startswith("--") or (word.startswith("-") and not _MINUS.fullmatch(word)):
            options.append(word)
        else:
            words.append(word)
    return options, words


def _takers(option: Any) -> list[str]:
    return [] if option.is_flag else list(option.opts)


class _ListByDefault(TyperGroup):
    """Goes on with `list` where no other command of the group is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListByDefault, no_args_is_help=False)


@app.command("list", cls=_Wishes)
def list_(
    context: typer.Context,
    wishes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WISH]...",
            help="As in a job's resources: names, globs (daily_logs.*), groups (tier1, financials), -photos. None: all.",
        ),
    ] = None,
    tool: Annotated[str, typer.Option("--tool", help="Only those of Procore tools whose name holds this text.")] = "",
    scope: Annotated[
        Scope | None, typer.Option("--scope", help="Only those read once, per company or per project.")
    ] = None,
    incremental: Annotated[
        bool | None,
        typer.Option("--incremental/--no-incremental", help="Only those that can (or cannot) be asked for changes."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """List the catalog's resources; `syncd resources` alone does the same."""
    from syncd.cli.output import print_json, print_line, print_table

    catalog = _catalog(context)
    wanted = wishes or []
    names = catalog.select(["all", *wanted] if wanted and wanted[0].startswith("-") else wanted or ["all"])
    found = [
        entry
        for entry in map(catalog.header, names)
        if tool.lower() in entry.tool.lower()
        and scope in (None, entry.scope)
        and incremental in (None, entry.incremental)
    ]
    documents = [summary(entry) for entry in found]
    if as_json:
        print_json(documents)
        return
    rows = [
        [
            one["resource"],
            one["tool"],
            one["scope"],
            one["parent"] or "",
            "yes" if one["incremental"] else "",
            one["path"],
        ]
        for one in documents
    ]
    if rows:
        print_table(["resource", "tool", "scope", "parent", "incremental", "path"], rows)
    print_line(f"{len(rows)} of {len(catalog.names())} resources. One with its columns: syncd resources show NAME")


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RESOURCE", help="Its name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Show one resource: columns, child tables, keys, parent, strategy, costs, permission."""
    from syncd.cli.output import print_json

    catalog = _catalog(context)
    described = description(catalog, name)
    if as_json:
        print_json(described)
    else:
        _print(described)


def summary(entry: Resource) -> dict[str, Any]:
    """A resource as the list's `--json` has it: a contract."""
    parents = list(dict.fromkeys(given.partition(".")[0] for names in entry.parents.values() for given in names))
    return {
        "resource": entry.name,
        "title": entry.title,
        "tool": entry.tool,
        "path": entry.path,
        "scope": entry.scope,
        "parent": ", ".join(parents) or None,
        "incremental": entry.incremental,
        "table": entry.name,
    }


def description(catalog: Catalog, name: str) -> dict[str, Any]:
    """A resource with all that the catalog knows of it.

    Raises:
        ConfigError: There is no such resource.
    """
    from syncd.catalog.load import groups_of

    entry = catalog[name]
    layout = catalog.layout(name)
    tables = [_table(layout, table) for table in layout.tables()]
    return {
        **summary(entry),
        "groups": groups_of(entry),
        "key": list(layout.primary_key),
        "parents": {placeholder: list(given) for placeholder, given in entry.parents.items()},
        "strategy": strategy(entry),
        "requests": _requests(entry),
        "permission": entry.permission or None,
        "webhooks": list(entry.webhooks),
        "deprecated": entry.deprecated,
        "note": entry.note or None,
        "missing": entry.without_values or None,
        "columns": tables[0]["columns"],
        "children": tables[1:],
    }


def _table(layout: Layout, table: Table) -> dict[str, Any]:
    from syncd.catalog.layout import PARENT_ID, POSITION, RECORD_ID

    key = layout.child_key(table) if table.depth else layout.primary_key
    scope = layout.id_scope if table.depth else layout.scope
    own = {PARENT_ID: "text", POSITION: "bigint", RECORD_ID: "text"} if table.depth else {}
    columns: dict[str, str] = {column.name: column.type for column in scope}
    columns |= {part: kind for part, kind in own.items() if part in key}
    columns |= {column.name: column.type for column in table.columns}
    return {
        "table": table.name,
        "key": list(key),
        "columns": [{"column": column, "type": kind, "key": column in key} for column, kind in columns.items()],
    }


def strategy(entry: Resource) -> list[str]:
    """How it is read, in sentences."""
    said = []
    if entry.incremental:
        said.append(f"Changes are asked for with {entry.updated_at}; all of it is read again every full_refresh.")
    elif entry.window is not None:
        said.append("Past days are read again on every run (logs_lookback), older ones every full_refresh.")
    elif entry.sort.recent:
        said.append("Latest changes first, down to the last run; all of it is read again every full_refresh.")
    else:
        said.append("All of it is read on every run, and only what changed is written.")
    if entry.window is not None:
        by = " and ".join(name for name in (entry.window.first, entry.window.last) if name)
        said.append(f"The list is of days, named by {by}; the first load goes back logs_from.")
    said.append(_deletions(entry))
    if entry.method == "POST":
        said.append("The list is read by a POST.")
    if entry.detail is not None:
        said.append("With details: true each changed record is read singly too, for more fields.")
    return said


def _deletions(entry: Resource) -> str:
    deletions = entry.deletions
    if deletions is None:
        return "Deletions are found by complete listings."
    where = f"the list {deletions.path}" if deletions.path else f"{deletions.param}={deletions.value}"
    return f"Deletions are found through {where}, and by complete listings."


def _requests(entry: Resource) -> dict[str, Any]:
    """What a run of a job with the contract's defaults costs where one page holds what a partition has."""
    from datetime import UTC, datetime

    from syncd.engine.costs import costs_of
    from syncd.engine.options import Options

    one = costs_of(entry, Options(1, "all", (entry.name,)), datetime.now(UTC), lambda _request, _records: 1)
    places = {"none": "run", "company": "company", "project": "project"}
    return {
        "per": " and ".join([places[entry.scope], *(name for name in (*entry.parents, *entry.enumerate))]),
        "first": int(one.first),
        "incremental": int(one.incremental),
        "reconcile": int(one.reconcile),
        "page_size": entry.page_size if entry.paging != "none" else None,
    }


def _print(one: dict[str, Any]) -> None:
    from syncd.cli.output import print_line, print_table

    requests = one["requests"]
    pages = f"; and one more per {requests['page_size']:,} records" if requests["page_size"] else ""
    costs = (
        f"first {requests['first']}, incremental {requests['incremental']}, reconcile {requests['reconcile']}{pages}"
    )
    facts = [
        ("title", one["title"]),
        ("tool", one["tool"]),
        ("path", one["path"]),
        ("scope", one["scope"]),
        ("groups", ", ".join(one["groups"])),
        ("key", ", ".join(one["key"])),
        *((f"{{{name}}} from", " or ".join(given)) for name, given in one["parents"].items()),
        ("requests", f"per {requests['per']}: {costs}"),
        ("permission", one["permission"] or "not known; `syncd check` asks"),
        ("webhooks", ", ".join(one["webhooks"])),
        ("deprecated", "yes, Procore advises against it" if one["deprecated"] else ""),
        ("missing", one["missing"] or ""),
        ("note", one["note"] or ""),
    ]
    print_line(one["resource"], style="bold")
    width = max(len(label) for label, _ in facts)
    for label, text in facts:
        if text:
            print_line(f"  {label:<{width}}  {text}")
    for sentence in one["strategy"]:
        print_line(f"  {sentence}")
    tables = [{"table": one["table"], "columns": one["columns"]}, *one["children"]]
    for table in tables:
        print_line()
        rows = [[column["column"], column["type"], "key" if column["key"] else ""] for column in table["columns"]]
        print_table(["column", "type", ""], rows, title=f"table {table['table']}")


def _catalog(context: typer.Context) -> Catalog:
    """The shipped catalog, with an operator's own resources where a configuration names them."""
    from syncd.catalog.load import Catalog
    from syncd.cli.invocation import Invocation
    from syncd.config.folders import resource_folders
    from syncd.errors import ConfigError

    invocation = Invocation.of(context)
    try:
        path = invocation.configuration_file()
    except ConfigError:
        if invocation.config is not None or invocation.environ.get("SYNCD_CONFIG"):
            raise
        return Catalog()
    return Catalog(resource_folders(path, invocation.environ))
