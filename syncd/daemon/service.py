"""The daemon's life: start, serve, read the configuration again, drain, stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from syncd import __version__
from syncd.daemon.agenda import Agenda, Ended, Program, Running
from syncd.daemon.sdnotify import Notifier
from syncd.daemon.signals import handled
from syncd.daemon.timer import Timer
from syncd.engine.ports import Clock
from syncd.errors import StoreError, StoreUnavailable, SyncdError
from syncd.memory import give_back
from syncd.storage.incidents import Incident

_log = structlog.get_logger(__name__)

DRAIN_SECONDS = 8.0
"""How long runs may take to commit what they have in hand when the daemon is asked to stop."""
STUCK_SECONDS = 900.0
"""A run that made no progress for so long is stuck: the service manager's watchdog is no longer held off."""

AWAY_SECONDS = 300.0
"""A database that is away for so long needs a person."""

_AWAY_PAUSE = timedelta(seconds=5)
_BEAT = 20.0
"""The longest time between two turns of the idle loop, seconds."""
_PATIENCE = 60.0
"""How much longer a start may take each time that the database is found away, seconds."""
_ABANDONED = 1
"""Exit code after a second request to stop."""


class Clocked(Clock, Protocol):
    """A clock that can be asked to stop what waits on it."""

    def stop(self) -> None:
        """Ask everything that waits on this clock to stop."""


class Server(Protocol):
    """What serves the status page."""

    def start(self) -> None:
        """Listen and serve.

        Raises:
            SyncdError: The port is taken.
        """

    def stop(self) -> None:
        """End serving."""


class Duty(Protocol):
    """Something that is looked after between runs, in a thread of its own."""

    def ended(self, ended: Ended) -> None:
        """A run ended."""

    def turn(self, now: datetime) -> None:
        """Do what is due; called at least once a minute."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The daemon's parts for one configuration.

    Attributes:
        program: Runs jobs.
        duties: What is looked after between runs.
        server: What serves the status page, or None.
        address: Where it does, or an empty string.
    """

    program: Program
    duties: Sequence[Duty] = ()
    server: Server | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds.

    Attributes:
        drain: To commit what runs have in hand when the daemon stops.
        stuck: Without progress of a run.
        away: Without the database, until a person is needed.
    """

    drain: float = DRAIN_SECONDS
    stuck: float = STUCK_SECONDS
    away: float = AWAY_SECONDS


class Health(Protocol):
    """How the daemon is."""

    def ready(self) -> tuple[bool, str]:
        """Whether it can work, and why not."""

    def outage(self) -> Incident | None:
        """That the database has been away for so long that a person is needed; None where it has not."""


Load = Callable[[Health], Opened]


class Service:
    """The daemon.

    Args:
        load: Reads the configuration and puts the parts together; raises `SyncdError` where it is broken. It is given
            the daemon, for what asks how that is.
        clock: Time; stopping it stops the runs.
        notifier: The service manager.
        limits: How long things may take.
    """

    def __init__(self, load: Load, clock: Clocked, notifier: Notifier, limits: Limits | None = None) -> None:
        self._load = load
        self._clock = clock
        self._notifier = notifier
        self._limits = limits or Limits()
        self._wake = threading.Event()
        self._reload = threading.Event()
        self._trouble = "The daemon starts."
        self._away_since: float | None = None
        self._outage: Incident | None = None
        self._agenda: Agenda | None = None
        self._server: Server | None = None
        self._address = ""
        self._duties: Sequence[Duty] = ()
        self._on_duty = threading.Lock()
        self._next: datetime | None = None
        self._used = False

    def ready(self) -> tuple[bool, str]:
        """Whether the daemon can work, and why not."""
        trouble = self._trouble or (self._agenda.trouble if self._agenda is not None else "")
        return not trouble, trouble

    def outage(self) -> Incident | None:
        """That the database has been away for so long that a person is needed; None where it has not."""
        return self._outage

    def run(self) -> int:
        """Serve until SIGTERM or ctrl-C; SIGHUP reads the configuration again. To be used in the main thread.

        Returns:
            The exit code.

        Raises:
            SyncdError: The start failed.
        """
        handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.reload}
        with handled(handlers):
            opened = self._prepared(self._load(self))
            if opened is None:
                return 0
            program = opened.program
            agenda = Agenda(program, self._clock, self._wake.set, self._told)
            self._duties = opened.duties
            self._agenda = agenda
            self._trouble = ""
            self._notifier.ready("Looking for what is due.")
            _log.info("started", version=__version__, jobs=len(program.schedules()), pid=os.getpid())
            timer = Timer(self._wake.set)
            try:
                while not self._clock.stopping():
                    self._turn(agenda, timer)
            finally:
                timer.stop()
            return self._drained(agenda)

    def stop(self) -> None:
        """Ask the daemon to end; the second time it ends at once."""
        if self._clock.stopping():
            _log.warning("asked to stop again: ending at once")
            os._exit(_ABANDONED)
        _log.info("asked to stop")
        self._clock.stop()
        self._wake.set()

    def reload(self) -> None:
        """Ask for the configuration to be read again."""
        self._reload.set()
        self._wake.set()

    def _prepared(self, opened: Opened) -> Opened | None:
        """Wait for the database, and serve the status page meanwhile: it says what is waited for.

        Returns:
            What is ready: of the latest configuration; None where the daemon was asked to stop meanwhile.
        """
        while not self._clock.stopping():
            try:
                opened.program.prepare()
            except StoreUnavailable as error:
                self._away(error)
                self._notifier.patience(_PATIENCE)
                self._notifier.status(f"Waiting for the database. {error.message}")
                self._serve_once(opened)
                self._duties = opened.duties
                self._look_after(self._clock.now())
                self._pause(_AWAY_PAUSE.total_seconds())
                opened = self._corrected(opened)
            else:
                self._here()
                self._serve_once(opened)
                return opened
        if self._server is not None:
            self._server.stop()
        opened.program.close()
        return None

    def _corrected(self, opened: Opened) -> Opened:
        """The parts for the configuration as it is now, where it is asked for: the address of the database may be wrong."""
        if not self._reload.is_set():
            return opened
        self._reload.clear()
        try:
            new = self._load(self)
        except SyncdError as error:
            _told_refusal(error)
            return opened
        try:
            self._moved(new)
        except SyncdError as error:
            new.program.close()
            _told_refusal(error)
            return opened
        opened.program.close()
        _log.info("configuration read again", jobs=len(new.program.schedules()))
        return new

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _serve_once(self, opened: Opened) -> None:
        if self._server is None:
            self._serve(opened)

    def _serve(self, opened: Opened) -> None:
        if opened.server is not None:
            opened.server.start()
        self._server, self._address = opened.server, opened.address

    def _turn(self, agenda: Agenda, timer: Timer) -> None:
        """One turn of the loop: begin what is due, say how things are, sleep."""
        self._wake.clear()
        if self._reload.is_set():
            self._reload.clear()
            self._reloaded(agenda)
        now = self._clock.now()
        try:
            self._next = agenda.tick()
            self._answers(agenda)
        except StoreError as error:
            self._away(error)
            self._next = now + _AWAY_PAUSE
        self._look_after(now)
        running = agenda.running()
        self._used = self._used or bool(running)
        if self._used and not running:
            self._used = False
            agenda.program.rest()
            give_back()
        self._notifier.status(self._words(agenda, running))
        if not self._is_stuck(running):
            self._notifier.alive()
        timer.at(self._next)
        self._wake.wait(min(_BEAT, (self._notifier.watchdog or _BEAT) / 3))

    def _answers(self, agenda: Agenda) -> None:
        """The database could be read; where it was away, work goes on at once."""
        if self._away_since is not None:
            self._here()
            agenda.recovered()

    def _here(self) -> None:
        if self._away_since is not None:
            _log.info("the database answers again")
        self._away_since, self._outage, self._trouble = None, None, ""

    def _away(self, error: StoreError) -> None:
        """Say once that the database is away, and once more when that needs a person."""
        now = time.monotonic()
        self._trouble = str(error)
        if self._away_since is None:
            self._away_since = now
            _log.warning("the database is away: waiting for it", error=error.message, remedy=error.remedy)
        elif self._outage is None and now - self._away_since >= self._limits.away:
            seconds = round(now - self._away_since)
            since = self._clock.now() - timedelta(seconds=seconds)
            message = (
                f"The database has been away since {since:%Y-%m-%d %H:%M} UTC, and nothing is synced: {error.message}"
            )
            self._outage = Incident("failure", "database", message, error.remedy, since)
            _log.error(
                "the database is still away: nothing is synced",
                seconds=seconds,
                error=error.message,
                remedy=error.remedy,
            )

    def _is_stuck(self, running: Sequence[Running]) -> bool:
        stuck = [one for one in running if one.pulse.quiet() > self._limits.stuck]
        for one in stuck:
            _log.error(
                "a run is stuck",
                job=one.job,
                seconds=round(one.pulse.quiet()),
                remedy="The service manager restarts syncd; the run goes on where it was. Report it if it happens again.",
            )
        return bool(stuck)

    def _words(self, agenda: Agenda, running: Sequence[Running]) -> str:
        if self._trouble:
            return f"Waiting for the database. {self._trouble}"
        if running:
            return f"Running {', '.join(sorted(_words_of(one) for one in running))}."
        if agenda.trouble:
            return f"A run could not be recorded. {agenda.trouble}"
        return "Idle."

    def _told(self, ended: Ended) -> None:
        """A run ended, says its thread."""
        self._used = True
        for duty in self._duties:
            duty.ended(ended)

    def _look_after(self, now: datetime) -> None:
        """Do the duties, in a thread, because telling somebody may take long; one turn of them at a time."""
        if not self._duties or not self._on_duty.acquire(blocking=False):
            return
        threading.Thread(target=self._duties_done, args=(self._duties, now), name="duties", daemon=True).start()

    def _duties_done(self, duties: Sequence[Duty], now: datetime) -> None:
        try:
            for duty in duties:
                try:
                    duty.turn(now)
                except StoreError as error:
                    _log.debug("a duty waits for the database", error=str(error))
                except Exception:  # noqa: BLE001 - whatever a duty does, the daemon goes on
                    _log.exception("a duty failed")
        finally:
            self._on_duty.release()

    def _reloaded(self, agenda: Agenda) -> None:
        """Go on with the configuration as it is now, or keep the old one and say why."""
        self._notifier.reloading()
        try:
            opened = self._load(self)
        except SyncdError as error:
            self._refused(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a plugin or the system does, the old configuration stays
            _log.exception("the configuration could not be read again")
            why = f"Reading it ended with an unexpected error ({type(error).__name__})."
            self._refused(SyncdError(why, "The log has the details."))
            return
        program = opened.program
        try:
            program.prepare()
            self._moved(opened)
        except SyncdError as error:
            program.close()
            self._refused(error)
            return
        self._duties = opened.duties
        agenda.replace(program)
        self._notifier.ready("The new configuration is in use.")
        _log.info("configuration read again", jobs=len(program.schedules()))

    def _refused(self, error: SyncdError) -> None:
        _told_refusal(error)
        self._notifier.ready(f"The new configuration is refused: {error.message}")

    def _moved(self, opened: Opened) -> None:
        """Serve the status page for the new program; where it cannot listen, the old page stays."""
        old, before = self._server, self._address
        if old is not None and opened.address == before:
            old.stop()
            old = None
        self._serve(opened)
        if old is not None:
            old.stop()

    def _drained(self, agenda: Agenda) -> int:
        """Let runs commit what they have in hand."""
        self._notifier.stopping("Stopping: what is under way is committed.")
        ends = time.monotonic() + self._limits.drain
        while agenda.running() and time.monotonic() < ends:
            self._pause(0.2)
        if self._server is not None:
            self._server.stop()
        left = [one.job for one in agenda.running()]
        if left:
            _log.warning("stopped in the middle; the next start goes on from the last commit", jobs=", ".join(left))
            os._exit(0)
        agenda.close()
        _log.info("stopped")
        return 0


def _told_refusal(error: SyncdError) -> None:
    _log.error("the new configuration is refused, the old one stays", error=error.message, remedy=error.remedy)


def _words_of(run: Running) -> str:
    waits_for = run.pulse.waits_for
    return f"{run.job} (waits for {waits_for})" if waits_for else run.job
