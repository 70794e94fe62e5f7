"""The models of `syncd.yaml` and of the keys that all jobs have in common."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, WithJsonSchema, field_validator, model_validator

from syncd.config.keys import Keys, Label, Text, digits_are_text, wrong_key
from syncd.config.schedule import Schedule
from syncd.jobs.durations import Duration
from syncd.jobs.resources_options import Identifier

Environment = Literal["production", "sandbox", "monthly", "federal", "custom"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where an environment is reached.

    Attributes:
        login_url: Origin of the OAuth endpoints.
        api_url: Origin of the API.
    """

    login_url: str
    api_url: str


ENVIRONMENTS: Mapping[str, Addresses] = {
    "production": Addresses("https://login.procore.com", "https://api.procore.com"),
    "sandbox": Addresses("https://login-sandbox.procore.com", "https://sandbox.procore.com"),
    "monthly": Addresses("https://login-sandbox-monthly.procore.com", "https://api-monthly.procore.com"),
    "federal": Addresses("https://login.procoregov.com", "https://api.procoregov.com"),
}
"""Procore's environments, as its documentation lists them."""


OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""Redirect URI that makes Procore show the code instead of redirecting."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine, by its writing alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("needs an address such as https://api.procore.com")  # noqa: TRY004 - pydantic reports ValueErrors
    try:
        parts = urlsplit(value.strip())
        _ = parts.port
    except ValueError:
        raise ValueError("needs an address such as https://api.procore.com") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("needs an address such as https://api.procore.com")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("needs an address without user, path or query")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("needs https; plain http is accepted for loopback addresses only")
    return f"{parts.scheme}://{parts.netloc}"


def _has_a_place(address: str) -> bool:
    """Whether the host and port of an address can be ones."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


Origin = Annotated[str, BeforeValidator(_origin), WithJsonSchema({"type": "string", "format": "uri"})]


class ProcoreSettings(Keys):
    """The environment, and the app that syncd is to it."""

    environment: Environment = Field(description="Which Procore installation; custom takes login_url and api_url.")
    client_id: Text = Field(description="The app's client id.")
    client_secret: SecretStr = Field(min_length=1, description="The app's client secret.")
    quota_share: float = Field(0.8, gt=0, le=1, description="How much of the app's allowance syncd may use, 0 to 1.")
    login_url: Origin = Field("", description="Only with environment: custom.")
    api_url: Origin = Field("", description="Only with environment: custom.")
    redirect_uri: str = Field(
        "http://localhost", description="Exactly as registered with the app, for `syncd auth login`."
    )

    @field_validator("client_secret", mode="before")
    @classmethod
    def _unquoted_digits(cls, value: Any) -> Any:
        return digits_are_text(value)

    @field_validator("redirect_uri")
    @classmethod
    def _registrable(cls, value: str) -> str:
        if value != OUT_OF_BAND and not (re.fullmatch(r"https?://[^\s/?#]+[^\s#]*", value) and _has_a_place(value)):
            raise ValueError("needs an address such as http://localhost:8910/callback, as registered with the app")
        return value

    @model_validator(mode="before")
    @classmethod
    def _addresses_of_the_environment(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        environment = data.get("environment")
        if environment == "custom":
            for key in ("login_url", "api_url"):
                if not data.get(key):
                    raise wrong_key(key, "is missing; environment: custom needs it")
            return data
        known = ENVIRONMENTS.get(environment) if isinstance(environment, str) else None
        for key in ("login_url", "api_url"):
            if key in data and known and data[key] != getattr(known, key):
                raise wrong_key(key, "belongs to environment: custom only")
        return {**data, "login_url": known.login_url, "api_url": known.api_url} if known else data


_DATABASE = "needs sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME"
_SERVER = "needs postgresql+psycopg://USER@HOST:PORT/NAME, with %40, %3A and %2F for @, : and / in a password"
_FILE = re.compile(r":///(?!:memory:)[^?].*", re.DOTALL)
_PLACE = re.compile(r"://(?:[^/?]*@)?(?:\[[^]]*\]|[^:/?@]*)(?::[0-9]*)?(?:[/?].*)?", re.DOTALL)
_SCHEME = re.compile(r"(sqlite|sqlite\+pysqlite|postgres|postgresql|postgresql\+psycopg)(://.*)", re.DOTALL)


class DatabaseSettings(Keys):
    """Where the tables stand.

    The URL may hold a password, and is a secret for that.
    """

    url: SecretStr = Field(
        SecretStr("sqlite:///syncd.db"), description="SQLite or PostgreSQL, as SQLAlchemy writes it."
    )
    schema_name: Text = Field(
        "procore",
        alias="schema",
        description="PostgreSQL only: the schema of all tables.",
    )

    @field_validator("schema_name")
    @classmethod
    def _possible_schema(cls, value: str) -> str:
        if not 0 < len(value.encode()) <= 63 or value.startswith("pg_") or "\0" in value:  # noqa: PLR2004 - PostgreSQL's limit
            raise ValueError("needs the name of a schema: at most 63 bytes, not beginning with pg_")
        return value

    @field_validator("url", mode="before")
    @classmethod
    def _known_database(cls, value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value
        found = _SCHEME.fullmatch(value.strip()) if isinstance(value, str) else None
        if not found:
            raise ValueError(_DATABASE)
        if found[1].startswith("sqlite"):
            if not _FILE.fullmatch(found[2]):
                raise ValueError(_DATABASE)
            return f"sqlite{found[2]}"
        if not _PLACE.fullmatch(found[2]):
            raise ValueError(_SERVER)
        if re.search(r"[?&]password=", found[2]):
            raise ValueError("has a password behind the ?, where it would be shown; write USER:PASSWORD@HOST")
        return f"postgresql+psycopg{found[2]}"


class VaultSettings(Keys):
    """The key that encrypts users' tokens: a file, or the key itself."""

    key_file: Path = Field(
        Path("vault.key"), description="Made by the first `syncd auth login`, readable by its owner."
    )
    key: SecretStr | None = Field(None, min_length=1, description="The key itself, from ${credential:NAME} or ${NAME}.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.key is not None and "key_file" in self.model_fields_set:
            raise wrong_key("key", "and key_file are both given; keep one")
        return self


class Listen(BaseModel, frozen=True):
    """An address to listen on; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(value: Any) -> Any:
    if value is None or value is False or value == "off":
        return None
    if isinstance(value, Listen):
        return value
    found = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]*):)?(?P<port>[0-9]{1,5})", str(value).strip())
    if not found or int(found["port"]) > 65_535:  # noqa: PLR2004 - the largest port
        raise ValueError("needs HOST:PORT, a port alone (loopback), or off")
    return Listen(host=(found["host"] or "127.0.0.1").strip("[]"), port=int(found["port"]))


class HttpSettings(Keys):
    """The status page, health and metrics of `syncd run`."""

    listen: Annotated[
        Listen | None, BeforeValidator(_listen), WithJsonSchema({"type": ["string", "integer"], "default": "off"})
    ] = Field(None, description="HOST:PORT, or a port alone, which is on 127.0.0.1 only; off: no server.")


class LogSettings(Keys):
    """What is logged to stderr, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level that is logged.")
    format: Literal["auto", "console", "json", "logfmt"] = Field(
        "auto", description="auto: console at a terminal, logfmt otherwise."
    )


class Retention(Keys):
    """How long syncd's own ledgers are kept. The synced tables are never pruned."""

    runs: Duration = Field(timedelta(days=400), description="Runs and their counts.")
    requests: Duration = Field(timedelta(days=90), description="Requests by hour and status.")
    rejects: Duration = Field(timedelta(days=90), description="Records that could not be stored.")


Event = Literal["failure", "recovery", "stale", "consent"]


class Alert(Keys):
    """Somebody to tell: a command, or an address of apprise."""

    command: tuple[Text, ...] | None = Field(None, min_length=1, description="A program and its arguments.")
    apprise: SecretStr | None = Field(None, min_length=1, description="An apprise URL; needs the extra `alerts`.")
    on: tuple[Event, ...] = Field(
        ("failure", "recovery", "stale", "consent"), min_length=1, description="Which events are told."
    )
    timeout: Duration = Field(timedelta(seconds=30), description="After which an attempt is given up.")

    @field_validator("command", mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.command is None) == (self.apprise is None):
            raise ValueError("needs either command or apprise")
        return self


JOBS = "jobs/*.yaml"
"""Which files are jobs where `syncd.yaml` says nothing."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


class Settings(Keys):
    """`syncd.yaml`. Paths are as written until the loader has made them absolute."""

    procore: ProcoreSettings = Field(description="The Procore environment and the app's credentials.")
    database: DatabaseSettings = Field(DatabaseSettings(), description="Where the tables stand.")
    vault: VaultSettings = Field(VaultSettings(), description="What encrypts users' tokens.")
    jobs: Annotated[
        tuple[Text, ...],
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field((JOBS,), min_length=1, description="Which files are jobs: one pattern, or a list.")
    resources_dir: Annotated[
        tuple[Path, ...],
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field((), description="Folders with your own resources, in the catalog's format.")
    http: HttpSettings = Field(HttpSettings(), description="The status page, health and metrics of `syncd run`.")
    log: LogSettings = Field(LogSettings(), description="What is logged to stderr, and how.")
    workers: int = Field(8, ge=1, le=64, description="How many jobs run side by side in `syncd run`.")
    retention: Retention = Field(Retention(), description="How long syncd's own ledgers are kept.")
    alerts: tuple[Alert, ...] = Field((), description="Whom `syncd run` tells of failures and recoveries.")


class JobKeys(Keys):
    """The keys that jobs of every type have."""

    name: Label = Field(description="Unique among all jobs.")
    type: Text = Field("resources", description="The job type; resources is built in, plugins bring others.")
    as_user: Label | None = Field(None, description="Act for the user stored by `syncd auth login LABEL`.")
    company: Identifier = Field(description="The company's number, sent with every request.")
    schedule: Schedule | None = Field(None, description="When `syncd run` runs it; none: only when asked.")
    freshness: Duration | None = Field(None, description="A table older than this is reported as stale.")


@dataclass(frozen=True, slots=True)
class Job:
    """One job file, read.

    Attributes:
        name: Unique.
        type: The job type's name.
        as_user: Label of the user it acts for; None: the service account.
        company: Goes with every request.
        schedule: When the daemon runs it; None: only when asked.
        freshness: Age at which its tables are stale, or None.
        options: The type's own keys, an instance of its model.
        path: The file.
    """

    name: str
    type: str
    as_user: str | None
    company: int
    schedule: Schedule | None
    freshness: timedelta | None
    options: BaseModel
    path: Path
