"""The control endpoint: tests and people change records, permissions, quota, tokens, time and luck by HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from syncd.sandbox.faults import Fault
from syncd.sandbox.permissions import Refusal
from syncd.sandbox.rest import answer, errors
from syncd.sandbox.store import Unknown

if TYPE_CHECKING:
    from syncd.sandbox.server import Sandbox

Handler = Callable[["Sandbox", dict[str, Any]], Any]


def blueprint(sandbox: Sandbox) -> Blueprint:
    """The routes under /control: `POST` a JSON document to act, `GET` to look."""
    routes = Blueprint("control", __name__, url_prefix="/control")

    def act(name: str) -> Response:
        handler = _ACTIONS.get(name)
        if handler is None:
            return errors(404, f"Unknown: {name}. There are {', '.join(_ACTIONS)}.")
        return answer(handler(sandbox, request.get_json(silent=True) or {}))

    def look(name: str) -> Response:
        if name == "stats":
            return answer(sandbox.stats.document())
        if name == "log":
            return answer(sandbox.stats.log)
        if name == "records":
            return answer(_records(sandbox))
        if name == "places":
            return answer(_places(sandbox))
        return errors(404, f"Unknown: {name}. There are stats, log, records, places.")

    routes.add_url_rule("/<name>", view_func=act, methods=["POST"], endpoint="act")
    routes.add_url_rule("/<name>", view_func=look, endpoint="look")
    routes.register_error_handler(Unknown, lambda error: errors(404, str(error)))
    routes.register_error_handler(ValueError, lambda error: errors(400, str(error)))
    routes.register_error_handler(KeyError, lambda error: errors(400, f"Missing: {error}"))
    routes.register_error_handler(TypeError, lambda error: errors(400, str(error)))
    return routes


def _records(sandbox: Sandbox) -> list[dict[str, Any]]:
    args = request.args
    project = args.get("project", type=int)
    parent = {name.removeprefix("parent."): value for name, value in args.items() if name.startswith("parent.")}
    return [
        {"project_id": place.project, "parent": dict(place.parent), "deleted": gone, "record": record}
        for place, record, gone in sandbox.walk(args["resource"], project, parent or None)
    ]


def _places(sandbox: Sandbox) -> list[dict[str, Any]]:
    args = request.args
    with sandbox.store.lock:
        found = sandbox.store.places(args["resource"], args.get("project", type=int))
        return [
            {"project_id": place.project, "parent": dict(place.parent), "size": sandbox.store.partition(place).size}
            for place in found
        ]


def _change(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    action, resource = document["action"], document["resource"]
    project, parent, fields = document.get("project"), document.get("parent"), document.get("fields") or {}
    if action == "create":
        return sandbox.create(resource, project, parent, **fields)
    record_id = document["id"]
    if action == "edit":
        return sandbox.edit(resource, record_id, project, parent, **fields)
    if action == "delete":
        sandbox.delete(resource, record_id, project, parent)
    elif action == "restore":
        sandbox.restore(resource, record_id, project, parent)
    else:
        raise ValueError("action is create, edit, delete or restore")
    return {}


def _refuse(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    if document.pop("clear", False):
        sandbox.grant()
    elif "connected" in document:
        sandbox.permissions.connected = bool(document["connected"])
    else:
        sandbox.permissions.refuse(Refusal.parse(document))
    return {}


def _fault(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    if document.pop("clear", False):
        sandbox.faults.clear()
    if document:
        sandbox.faults.add(Fault.parse(document))
    return {}


def _clock(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    sandbox.offset = float(document["offset"])
    return {"now": sandbox.now()}


def _quota(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    sandbox.quota.configure([(int(limit), float(seconds)) for limit, seconds in document["windows"]])
    return {}


def _tokens(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    if "lifetime" in document:
        sandbox.grants.lifetime = float(document["lifetime"])
    if document.get("revoke"):
        sandbox.grants.revoke_all(document.get("principal"), refresh_too=bool(document.get("refresh_too")))
    if "fail_seconds" in document:
        sandbox.fail_tokens(float(document["fail_seconds"]), int(document.get("status", 503)))
    if "secret" in document:
        sandbox.grants.clients["demo"].secret = str(document["secret"])
    return {}


def _stats(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    del document
    sandbox.stats.reset()
    return {}


def _live(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    return {"changes": sandbox.stir(int(document.get("changes", 1)))}


def _limits(sandbox: Sandbox, document: dict[str, Any]) -> Any:
    sandbox.behaviour.longest_window = document.get("longest_window")
    return {}


_ACTIONS: dict[str, Handler] = {
    "records": _change,
    "refuse": _refuse,
    "faults": _fault,
    "clock": _clock,
    "quota": _quota,
    "tokens": _tokens,
    "stats": _stats,
    "live": _live,
    "limits": _limits,
}
