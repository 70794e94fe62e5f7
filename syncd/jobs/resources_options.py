"""The keys of the built-in job type, as they stand in YAML. Meanings and defaults are those of the contract."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from syncd.jobs.durations import Duration

_LARGEST_ID = 2**63 - 1


def _integer(value: Any) -> int:
    """A whole number above 0, also from its digits: `${NAME}` brings text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:20])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_ID:
        raise ValueError("needs a number, as Procore shows it in the address of its pages")
    return value


Identifier = Annotated[
    int, BeforeValidator(_integer), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _LARGEST_ID})
]
"""A company's or project's number, at most 64 bits."""


def _projects(value: Any) -> Any:
    if value in ("active", "all"):
        return value
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        raise ValueError("needs active, all, or at least one project's number")
    try:
        return tuple(dict.fromkeys(_integer(one) for one in listed))
    except ValueError:
        raise ValueError("needs active, all, or a list of project numbers such as [101, 102]") from None


def _wishes(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Projects = Annotated[
    Literal["active", "all"] | tuple[Identifier, ...],
    BeforeValidator(_projects),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["active", "all"]},
                {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
            ]
        }
    ),
]

Name = Annotated[str, Field(min_length=1, max_length=200)]

Wishes = Annotated[
    tuple[Name, ...],
    BeforeValidator(_wishes),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}),
]

FieldNames = dict[Name, tuple[Name, ...]]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FullRefresh(_Keys):
    """How often all of a partition is read again, which is when deletions are found."""

    every: Duration = Field(description="0s: every run.")


class FindDeleted(_Keys):
    """How often Procore's lists of deleted records are asked for."""

    every: Duration = Field(description="0s: every run.")


class DeleteGuard(_Keys):
    """When a listing that shrank is not believed at once: it must lack more than both."""

    share: float = Field(0.3, ge=0, le=1, description="Share of the partition's live rows, 0 to 1.")
    rows: int = Field(20, ge=0, description="Number of rows.")


class ResourcesOptions(_Keys):
    """The built-in job type's own keys."""

    projects: Projects = Field(
        "active",
        description="active, all (every status), or a list of ids. The projects table always holds every status.",
    )
    resources: Wishes = Field(
        description="Names of the catalog, globs (daily_logs.*), groups (tier1, financials, all), or any with a minus before it."
    )
    full_refresh: FullRefresh = Field(
        FullRefresh(every=timedelta(days=7)), description="How often all is read again and deletions are found."
    )
    find_deleted: FindDeleted = Field(
        FindDeleted(every=timedelta(hours=1)),
        description="How often Procore's lists of deleted records are asked for in between; a request per project and list.",
    )
    deletes: Literal["mark", "remove"] = Field("mark", description="What becomes of the rows of deleted records.")
    lookback: Duration = Field(timedelta(minutes=5), description="How far increments overlap.")
    logs_from: Duration = Field(timedelta(days=365), description="Dated logs: how far back the first load goes.")
    logs_lookback: Duration = Field(timedelta(days=30), description="Dated logs: how far back each run reads again.")
    refusals: Literal["report", "ignore"] = Field("report", description="Whether 403 and 404 make a run partial.")
    delete_guard: DeleteGuard = Field(DeleteGuard(), description="When a listing that shrank is not believed at once.")
    exclude: FieldNames = Field({}, description="Fields to keep out of the database, per resource.")
    hash: FieldNames = Field({}, description="Fields to replace by a keyed hash, per resource.")
    details: bool = Field(
        default=False,
        description="Read changed records singly too, where that gives more fields. Costs a request each.",
    )
    workers: int = Field(8, ge=1, le=64, description="How many partitions are read at the same time.")

    @model_validator(mode="after")
    def _one_fate_per_field(self) -> Self:
        for resource, fields in self.exclude.items():
            if both := sorted(set(fields) & set(self.hash.get(resource, ()))):
                raise ValueError(f"exclude and hash both name {resource}.{both[0]}; a field can have one of the two")
        return self
