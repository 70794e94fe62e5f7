"""Who may see what: the service account all of it, users less, and whatever a test takes away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.catalog import Entry
from syncd.sandbox.oauth import SERVICE


@dataclass(frozen=True, slots=True)
class View:
    """What a user sees.

    Attributes:
        user: Index of the person among the company's users.
        projects: How many of the first projects; None: all.
        hidden_tools: Beginnings of tools that are not theirs.
        private: Whether private records are theirs too.
    """

    user: int
    projects: int | None = None
    hidden_tools: tuple[str, ...] = ()
    private: bool = True


USERS: Mapping[str, View] = {
    "alice": View(user=0, projects=6),
    "bob": View(user=3, projects=2, hidden_tools=("Construction Financials",), private=False),
    "carol": View(user=6),
}
"""Users who can consent: a project manager, a superintendent, an administrator."""

FORBIDDEN = "You do not have permission to access this resource."
NOT_FOUND = "The resource could not be found."
NOT_CONNECTED = "App is not connected to this company"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something taken away. What is None matches everything.

    Attributes:
        resource: The catalog's name.
        project: Project id.
        principal: `service`, or a user.
        status: 403 or 404; 200 answers an empty list, as Procore does for some.
        message: What the answer says.
    """

    resource: str | None = None
    project: int | None = None
    principal: str | None = None
    status: int = 403
    message: str = FORBIDDEN

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Refusal:
        """A refusal from a control request.

        Raises:
            ValueError: It has a key that there is not.
        """
        unknown = set(document) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"Unknown in a refusal: {', '.join(sorted(unknown))}")
        return cls(**document)


class Permissions:
    """What each principal may see."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.connected = True

    def refuse(self, refusal: Refusal) -> None:
        """Take something away."""
        self.refusals = [*self.refusals, refusal]

    def grant(self, refusal: Refusal | None = None) -> None:
        """Give back what was taken away: one thing, or all."""
        self.refusals = [] if refusal is None else [one for one in self.refusals if one != refusal]

    def refusal(self, principal: str, entry: Entry, project_id: int | None) -> Refusal | None:
        """Why a principal may not list a resource, or None."""
        for one in self.refusals:
            if (
                one.resource in (None, entry.name)
                and one.project in (None, project_id)
                and one.principal in (None, principal)
                # Taking a project away leaves the company's lists alone.
            ):
                return one
        view = USERS.get(principal)
        if view is not None and entry.tool.startswith(view.hidden_tools or ("\0",)):
            return Refusal(entry.name, principal=principal)
        return None

    @staticmethod
    def sees_project(principal: str, index: int) -> bool:
        """Whether a project, by its number, is a principal's."""
        if principal == SERVICE:
            return True
        view = USERS.get(principal)
        return view is not None and (view.projects is None or index < view.projects)

    @staticmethod
    def sees_private(principal: str) -> bool:
        """Whether private records are a principal's."""
        view = USERS.get(principal)
        return view is None or view.private
