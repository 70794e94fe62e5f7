"""The tree of errors. A class exists because some caller acts differently on it.

::

    SyncdError                    one sentence for a person, and what to do next
    ├── ConfigError               the operator's files or words are wrong          exit 2
    ├── SchemaMismatch            syncd's own tables are behind or ahead           exit 2
    ├── JobBusy                   another process runs this job                    exit 1
    ├── LeaseLost                 another process took the job over: write nothing exit 1
    ├── Stopped                   asked to stop while waiting: drain and leave     exit 1
    ├── ConsentNeeded             a user must sign in again                        exit 4
    ├── CredentialsRefused        Procore does not accept the app's credentials    exit 1
    ├── VaultError                the vault's key is missing, wrong or too open    exit 2
    ├── StoreError                the database cannot be read or written           exit 1
    │   ├── StoreUnavailable      ... for now: waiting may help
    │   └── Unstorable            ... because of a value in the batch: find it, keep it aside
    └── ApiError                  a request did not lead to a usable answer        exit 1
        ├── Refused               403, 404: this principal may not see it: remember, go on
        ├── RequestRejected       400, 406, 422 ...: the request itself is wrong: report, go on
        ├── Unauthorized          401 twice: the token is not accepted: this partition fails
        ├── BadAnswer             the answer cannot be believed or parsed
        └── Unavailable           tried within bounds, no answer: later
"""

from __future__ import annotations

STOPPED = "The run was asked to stop."
"""How a run says so in `syncd_runs`: it is taken up again when the program starts."""


class SyncdError(Exception):
    """An error for a person.

    Attributes:
        message: One sentence: what is wrong, and where.
        remedy: What to do next, or an empty string.
        exit_code: What the command line ends with when this error ends it.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class ConfigError(SyncdError):
    """The operator's files, arguments or environment are wrong."""

    exit_code = 2


class SchemaMismatch(SyncdError):
    """syncd's own tables are behind or ahead of this version of the program."""

    exit_code = 2


class JobBusy(SyncdError):
    """Another process holds the lease of this job."""


class LeaseLost(SyncdError):
    """The lease was taken over while this process was not looking; it must not write any more."""


class Stopped(SyncdError):
    """The process was asked to stop while it waited."""


class ConsentNeeded(SyncdError):
    """A user's stored authorization is absent or no longer refreshes."""

    exit_code = 4


class CredentialsRefused(SyncdError):
    """Procore answered `invalid_client` or the like: retrying soon cannot help."""


class VaultError(SyncdError):
    """The vault's key is missing, wrong, or readable by others."""

    exit_code = 2


class StoreError(SyncdError):
    """The database cannot be read or written."""


class StoreUnavailable(StoreError):
    """The database does not answer or is locked; waiting may help."""


class Unstorable(StoreError):
    """The database refused a value of the batch; nothing of the batch was written."""


class ApiError(SyncdError):
    """A request did not lead to a usable answer.

    Attributes:
        status: The HTTP status, or None where no answer came.
        reason: Procore's own words, shortened, safe to show.
    """

    def __init__(self, message: str, remedy: str = "", *, status: int | None = None, reason: str = "") -> None:
        super().__init__(message, remedy)
        self.status = status
        self.reason = reason


class Refused(ApiError):
    """403 or 404: gone, switched off, or not visible to this principal."""


class RequestRejected(ApiError):
    """400, 406, 409, 422 and other answers that a repetition would not change."""


class Unauthorized(ApiError):
    """A second 401, after the token had been renewed."""


class BadAnswer(ApiError):
    """The answer is not what the endpoint promises: not JSON, too large, of another shape."""


class Unavailable(ApiError):
    """Network or server failed until the attempts or the time of this partition ran out."""
