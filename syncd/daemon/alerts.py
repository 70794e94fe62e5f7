"""Tells somebody when a job fails, works again, needs consent, or a table has become stale: once per incident."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from syncd.daemon.agenda import Ended
from syncd.errors import STOPPED, SyncdError
from syncd.model import Status
from syncd.storage.incidents import Incident, Incidents

_log = structlog.get_logger(__name__)

_AGAIN = timedelta(minutes=5)
"""Until nobody being reachable is tried again."""
_LOOK = timedelta(minutes=1)
"""Between two looks at the age of tables."""
_CONSENT = 4
_TROUBLES = ("failure", "consent")


class Target(Protocol):
    """Somebody to tell."""

    @property
    def on(self) -> Collection[str]:
        """Which kinds of incidents."""

    def tell(self, incident: Incident) -> None:
        """Do.

        Raises:
            SyncdError: It could not be told.
        """


class Overdue(Protocol):
    """Finds stale tables."""

    def __call__(self) -> Sequence[tuple[str, str, str]]:
        """Of each: its name, one sentence, and what to do."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program that is given the incident as JSON on stdin, and as SYNCD_* in its environment.

    Attributes:
        words: The program and its arguments.
        on: Which kinds of incidents.
        timeout: Seconds after which it is ended.
        environ: Its environment, without the incident.
    """

    words: Sequence[str]
    on: Collection[str]
    timeout: float
    environ: Mapping[str, str]

    def tell(self, incident: Incident) -> None:
        """Execute it."""
        facts = facts_of(incident)
        environ = {**self.environ, **{f"SYNCD_{name.upper()}": value for name, value in facts.items()}}
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
                list(self.words),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environ,
                start_new_session=True,
            )
        except OSError as error:
            raise SyncdError(
                f"The alert command {self.words[0]} cannot be started: {error.strerror}.",
                "Correct alerts in syncd.yaml.",
            ) from None
        with process:
            try:
                _, errors = process.communicate(json.dumps(facts).encode() + b"\n", self.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise SyncdError(
                    f"The alert command {self.words[0]} did not end within {self.timeout:g} s.", "Correct the command."
                ) from None
        if process.returncode:
            said = errors.decode(errors="replace").strip().splitlines()
            why = f": {said[-1][:200]}" if said else ""
            raise SyncdError(f"The alert command {self.words[0]} ended with {process.returncode}{why}.", "Correct it.")


@dataclass(frozen=True, slots=True, repr=False)
class Apprise:
    """An address of apprise: mail, chat, telephone.

    Attributes:
        url: With its secrets.
        on: Which kinds of incidents.
    """

    url: str
    on: Collection[str]

    def tell(self, incident: Incident) -> None:
        """Send it."""
        try:
            import apprise  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            raise SyncdError(
                "Alerts by apprise need its library.", "Install syncd with: pip install 'syncd[alerts]'."
            ) from None
        sender = apprise.Apprise()
        kind = {"recovery": "success", "failure": "failure"}.get(incident.kind, "warning")
        text = f"{incident.message}\n{incident.remedy}".strip()
        scheme = self.url.partition(":")[0]
        if not sender.add(self.url):
            raise SyncdError(
                f"The {scheme} address under alerts is none that apprise knows.", "Correct it in syncd.yaml."
            )
        if not sender.notify(title=f"syncd: {incident.kind} of {incident.subject}", body=text, notify_type=kind):
            raise SyncdError(
                f"The alert could not be sent by {scheme}.", "Check the address, and that it is reachable."
            )


def facts_of(incident: Incident) -> Mapping[str, str]:
    """An incident as commands get it."""
    return {
        "event": incident.kind,
        "subject": incident.subject,
        "message": incident.message,
        "remedy": incident.remedy,
        "since": f"{incident.opened_at:%Y-%m-%dT%H:%M:%SZ}",
    }


class Alerts:
    """A duty of the daemon.

    Args:
        incidents: Remembers them.
        targets: Whom to tell.
        overdue: Finds stale tables.
        jobs: Those of the configuration.
        watched: Tables for which one of them says when they are stale.
        outage: That the database is away, which it cannot remember itself.
    """

    def __init__(
        self,
        incidents: Incidents,
        targets: Sequence[Target],
        overdue: Overdue,
        jobs: Collection[str],
        watched: Collection[str],
        outage: Callable[[], Incident | None] = lambda: None,
    ) -> None:
        self._incidents = incidents
        self._targets = targets
        self._overdue = overdue
        self._jobs = jobs
        self._watched = watched
        self._outage = outage
        self._told_outage: Incident | None = None
        self._look_at: datetime | None = None
        self._quiet_until: datetime | None = None

    def ended(self, ended: Ended) -> None:
        """Open an incident where a run failed, and close those of a job that works again."""
        report = ended.report
        if report.error == STOPPED:
            return
        if report.status is Status.FAILED:
            kind = "consent" if report.exit_code == _CONSENT else "failure"
            message = f"Job {report.job} failed: {report.error or 'no reason given.'}"
            self._incidents.open(Incident(kind, report.job, message, report.remedy, report.finished_at))
            return
        for incident in self._incidents.all(_TROUBLES):
            if incident.subject == report.job:
                message = f"Job {report.job} works again; it had failed since {incident.opened_at:%Y-%m-%d %H:%M} UTC."
                self._over(incident, message, report.finished_at)

    def turn(self, now: datetime) -> None:
        """Look at the age of tables, and tell what has not been told.

        Raises:
            StoreError: The database is away; that it is has been told by then, if it needs a person.
        """
        self._tell_outage(now)
        if self._look_at is None or now >= self._look_at:
            self._look_at = now + _LOOK
            self._look(now)
            self._forget()
        if self._quiet_until is None or now >= self._quiet_until:
            self._tell(now)

    def _tell_outage(self, now: datetime) -> None:
        outage, told = self._outage(), self._told_outage
        if self._quiet_until is not None and now < self._quiet_until:
            return
        if outage is not None and told is None and self._reached(outage, now):
            self._told_outage = outage
        elif outage is None and told is not None:
            message = f"The database answers again; it had been away since {told.opened_at:%Y-%m-%d %H:%M} UTC."
            if self._reached(Incident("recovery", told.subject, message, "", now), now):
                self._told_outage = None

    def _look(self, now: datetime) -> None:
        overdue = {name: (message, remedy) for name, message, remedy in self._overdue()}
        for name, (message, remedy) in overdue.items():
            self._incidents.open(Incident("stale", name, message, remedy, now))
        for incident in self._incidents.all(["stale"]):
            if incident.subject not in self._watched:
                self._incidents.close(incident)  # nobody says any more when it is stale: that does not make it fresh
            elif incident.subject not in overdue:
                self._over(incident, f"Table {incident.subject} is fresh again.", now)

    def _forget(self) -> None:
        """Close the incidents of jobs that are configured no more."""
        for incident in self._incidents.all(_TROUBLES):
            if incident.subject not in self._jobs:
                self._incidents.close(incident)

    def _over(self, incident: Incident, message: str, now: datetime) -> None:
        if incident.told:
            self._incidents.open(Incident("recovery", incident.subject, message, "", now))
        self._incidents.close(incident)

    def _tell(self, now: datetime) -> None:
        for incident in self._incidents.all():
            if incident.told:
                continue
            if not self._reached(incident, now):
                continue
            if incident.kind == "recovery":
                self._incidents.close(incident)
            else:
                self._incidents.told(incident, now)

    def _reached(self, incident: Incident, now: datetime) -> bool:
        """Whether somebody was told who wants to be, or nobody wants to; if not, it is tried again after a while."""
        wanted = [target for target in self._targets if incident.kind in target.on]
        reached = [target for target in wanted if self._told(target, incident)]
        if wanted and not reached:
            self._quiet_until = now + _AGAIN
            return False
        return True

    def _told(self, target: Target, incident: Incident) -> bool:
        try:
            target.tell(incident)
        except SyncdError as error:
            _log.error("an alert could not be delivered", about=incident.key, error=error.message, remedy=error.remedy)
            return False
        _log.info("alert sent", about=incident.key)
        return True
