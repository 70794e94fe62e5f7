"""The API itself: checks a request as Procore does and answers it from the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Blueprint, Response, g, request

from syncd.sandbox.catalog import Entry
from syncd.sandbox.oauth import Grants, Token
from syncd.sandbox.paging import page
from syncd.sandbox.partition import Partition, Place
from syncd.sandbox.permissions import FORBIDDEN, NOT_CONNECTED, NOT_FOUND, USERS, Permissions
from syncd.sandbox.query import BadQuery, select, unknown_params
from syncd.sandbox.requests import Endpoint, Router
from syncd.sandbox.stats import Stats
from syncd.sandbox.store import Store, Unknown
from syncd.sandbox.world import COMPANY_ID


class Answer(Exception):
    """An answer other than 200.

    Attributes:
        status: HTTP status.
        errors: Procore's `errors`: a sentence, or sentences by parameter.
    """

    def __init__(self, status: int, errors: Any) -> None:
        super().__init__(str(errors))
        self.status = status
        self.errors = errors


@dataclass(slots=True)
class Behaviour:
    """What may be changed while it serves.

    Attributes:
        longest_window: Most days of a dated list that are answered at once, else 408; None: any number.
    """

    longest_window: int | None = None


@dataclass(slots=True)
class Rest:
    """The API's requests.

    Args:
        store: The records.
        grants: The tokens.
        permissions: Who may see what.
        stats: Where requests are counted.
        behaviour: What may be changed while it serves.
        clock: Gives Unix seconds.
    """

    store: Store
    grants: Grants
    permissions: Permissions
    stats: Stats
    behaviour: Behaviour
    clock: Callable[[], float]
    router: Router

    def blueprint(self) -> Blueprint:
        """The routes under /rest."""
        blueprint = Blueprint("rest", __name__)
        blueprint.add_url_rule("/rest/v1.0/me", view_func=self._me, endpoint="me")
        blueprint.add_url_rule("/rest/<path:rest>", view_func=self._serve, endpoint="rest", methods=["GET", "POST"])
        blueprint.register_error_handler(Answer, lambda answer: errors(answer.status, answer.errors))
        blueprint.register_error_handler(BadQuery, lambda bad: errors(bad.status, {bad.param: [str(bad)]}))
        blueprint.register_error_handler(Unknown, lambda _: errors(404, NOT_FOUND))
        return blueprint

    def _token(self) -> Token:
        token = self.grants.bearer(request.headers.get("Authorization"))
        if token is None:
            raise Answer(401, "The access token is invalid, expired, or missing.")
        g.principal = token.principal
        return token

    def _company(self) -> None:
        header = request.headers.get("Procore-Company-Id")
        if not header:
            self.stats.count(self.stats.observations, "missing company header")
            raise Answer(400, "The Procore-Company-Id header is required.")
        if header != str(COMPANY_ID) or not self.permissions.connected:
            raise Answer(403, NOT_CONNECTED)

    def _me(self) -> Response:
        token = self._token()
        self._company()
        users = self.store.world.users
        view = USERS.get(token.principal)
        if view is None:
            return answer(
                {"id": 562949953421001, "login": "dmsa-demo@procore.com", "name": "syncd demo (service account)"}
            )
        user = users[view.user % len(users)]
        return answer({"id": user.id, "login": user.login, "name": user.name})

    def _serve(self, rest: str) -> Response:
        del rest
        token = self._token()
        found = self.router.find(request.method, request.path, request.args)
        if found is None:
            self.stats.count(self.stats.observations, "private endpoint")
            raise Answer(404, NOT_FOUND)
        endpoint, values = found
        entry = endpoint.entry
        self._company()
        self.stats.count(self.stats.by_resource, entry.name)
        for name in unknown_params(entry, request.args):
            self.stats.count(self.stats.unknown_params, f"{entry.name}: {name}")
        values = self._scope(entry, values)
        with self.store.lock:
            project_id = self._project(entry, values, token)
            refused = self.permissions.refusal(token.principal, entry, project_id)
            if refused is not None and refused.status != 200:  # noqa: PLR2004 - 200 answers an empty list
                raise Answer(refused.status, refused.message)
            if endpoint.what == "detail":
                return self._detail(entry, values, project_id)
            return self._list(endpoint, values, project_id, token, hidden=refused is not None)

    def _scope(self, entry: Entry, values: Mapping[str, str]) -> dict[str, str]:
        """The path's values and those that stand in the query instead."""
        scoped = dict(values)
        for placeholder, param in entry.scope_params.items():
            if param in request.args:
                scoped.setdefault(placeholder, request.args[param])
        if scoped.get("company_id", str(COMPANY_ID)) != str(COMPANY_ID):
            raise Answer(403, NOT_CONNECTED)
        if entry.scope == "project" and "project_id" not in scoped:
            scoped["project_id"] = request.args.get("project_id", "")
        return scoped

    def _project(self, entry: Entry, values: Mapping[str, str], token: Token) -> int | None:
        if entry.scope != "project":
            return None
        text = values["project_id"]
        if not text:
            raise Answer(400, {"project_id": ["can't be blank"]})
        project_id = int(text) if text.isdecimal() else 0
        if not self.store.project_exists(project_id):
            raise Answer(404, NOT_FOUND)
        self.stats.count(self.stats.by_project, project_id)
        if not self.permissions.sees_project(token.principal, self.store.world.project_by_id[project_id].index):
            raise Answer(403, FORBIDDEN)
        return project_id

    def _partition(self, entry: Entry, values: Mapping[str, str], project_id: int | None) -> Partition:
        chain: dict[str, str] = {}
        for name in entry.outer:
            value = values.get(name) or request.args.get(name)
            if not value:
                raise Answer(400, {name: ["can't be blank"]})
            if name in entry.parents and value not in self.store.outer_values(entry, name, project_id, chain):
                raise Answer(404, NOT_FOUND)
            chain[name] = value
        return self.store.partition(Place(entry.name, project_id, tuple(chain.items())))

    def _list(
        self, endpoint: Endpoint, values: Mapping[str, str], project_id: int | None, token: Token, *, hidden: bool
    ) -> Response:
        entry = endpoint.entry
        if request.method == "POST":
            _json_body()
        partition = self._partition(entry, values, project_id)
        g.partition = partition
        bin_only = endpoint.what == "bin"
        found = select(
            partition,
            request.args,
            self.clock(),
            bin_only=bin_only,
            visible=self._visible(partition, token),
            longest_window=self.behaviour.longest_window,
        )
        chosen = page(entry, [] if hidden else found, request.args, request.base_url, partition.id)
        records = [partition.record(index) for index in chosen.indices]
        return answer(envelope(entry, records), chosen.headers)

    def _visible(self, partition: Partition, token: Token) -> Callable[[int], bool] | None:
        if partition.entry.name == "projects":
            world = self.store.world
            return lambda index: self.permissions.sees_project(token.principal, world.projects[index].index)
        if self.permissions.sees_private(token.principal):
            return None
        return lambda index: not partition.private(index)

    def _detail(self, entry: Entry, values: Mapping[str, str], project_id: int | None) -> Response:
        parent = {name: values.get(name) or request.args.get(name) for name in entry.outer}
        given = {name: value for name, value in parent.items() if value}
        record_id = values.get("id") or list(values.values())[-1]
        partition, index = self.store.locate(
            entry.name, record_id, project_id, given if len(given) == len(parent) else None
        )
        if partition.deleted(index) is not None:
            raise Unknown
        record = partition.detail(index)
        return answer({"data": record} if entry.envelope.startswith("data") else record)


def _json_body() -> None:
    if request.get_data() and request.get_json(silent=True) is None:
        raise Answer(400, "The body is not JSON.")


def envelope(entry: Entry, records: list[dict[str, Any]]) -> Any:
    """Records as the endpoint wraps them."""
    items: list[Any] = grouped(records, entry.group) if entry.group else records
    if entry.envelope == "array":
        return items
    if entry.envelope == "data":
        return {"data": items}
    if entry.envelope == "object":
        return items[0] if items else {}
    wrapped: Any = items
    for key in reversed(entry.envelope.removeprefix("object:").split(".")):
        wrapped = {key: wrapped}
    return wrapped


def grouped(records: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Records under the titles that they carry: `{"group_title": ..., "meetings": [...]}`."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for record in records:
        inner = {name: value for name, value in record.items() if name != "group_title"}
        groups.setdefault(record.get("group_title"), []).append(inner)
    return [{"group_title": title, key: inner} for title, inner in groups.items()]


def answer(document: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """A JSON response."""
    response = Response(orjson.dumps(document), status, mimetype="application/json")
    response.headers.update(headers or {})
    return response


def errors(status: int, errors: Any) -> Response:
    """An error in Procore's form."""
    response = answer({"errors": errors}, status=status)
    if status == 401:  # noqa: PLR2004 - RFC 6750
        response.headers["WWW-Authenticate"] = 'Bearer realm="Procore", error="invalid_token"'
    return response
