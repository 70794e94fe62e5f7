"""`syncd auth`: users who let syncd act for them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from syncd.app import App
    from syncd.auth.consent import Consent
    from syncd.auth.ports import StoredToken

app = typer.Typer(no_args_is_help=True)

User = Annotated[str, typer.Argument(metavar="USER", help="A name of your choice; jobs say it as as_user.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.command()
def login(
    context: typer.Context,
    user: User,
    no_browser: Annotated[
        bool,
        typer.Option(
            "--no-browser", help="Print the address, then read the code, or the address it led to, from stdin."
        ),
    ] = False,
    company: Annotated[
        int | None, typer.Option("--company", metavar="ID", help="Company to ask who the user is; else a job's.")
    ] = None,
) -> None:
    """Let a user sign in at Procore, and keep the authorization sealed.

    Exit codes: 0 stored, 1 failed, 2 configuration, 4 the user did not consent, or the code is dead.
    """
    from syncd.auth.consent import Consent
    from syncd.cli.opening import opened
    from syncd.cli.output import print_line

    _check(user)
    with opened(context) as program:
        _make_key(program)
        consent = Consent(
            program.procore.grants.app, program.clock, program.kit.redactor, f"Start again: syncd auth login {user}"
        )
        say = (_by_hand if no_browser else _by_browser)(program, consent, user)
        who, trouble = program.access.identify(user, company)
        if trouble is not None:
            typer.echo(f"warning: who {user} is could not be asked: {trouble}", err=True)
        print_line(f"{say} Procore knows the user as {who}." if who else say)


@app.command(name="list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show the users who have signed in."""
    from syncd.cli.opening import opened
    from syncd.cli.output import print_json, print_line, print_table
    from syncd.cli.status import ago

    with opened(context) as program:
        now = program.clock.now()
        users = [(one, *program.access.state_of(one)) for one in program.access.accounts().all()]
        if as_json:
            print_json({"users": [_document(*user) for user in users]})
            return
        rows = [
            [
                one.label,
                one.login or "unknown",
                str(one.company_id or ""),
                ago(now, one.consented_at),
                "never" if one.refreshed_at is None else ago(now, one.refreshed_at),
                state,
            ]
            for one, state, _ in users
        ]
        if not rows:
            print_line("Nobody has signed in. syncd auth login USER lets somebody.")
            return
        print_table(["user", "procore login", "company", "signed in", "last refresh", "state"], rows)
        for one, state, detail in users:
            if state != "ok":
                print_line(f"  {one.label}: {detail}")


@app.command()
def logout(context: typer.Context, user: User) -> None:
    """Revoke a user's authorization at Procore, and forget it."""
    from syncd.cli.opening import opened
    from syncd.cli.output import print_line

    with opened(context) as program:
        failed = program.access.accounts().logout(user)
        if failed is None:
            print_line(f"The authorization of {user} was revoked at Procore and is forgotten.")
            return
        typer.echo(f"warning: Procore could not be told: {failed.message}", err=True)
        print_line(
            f"The authorization of {user} is forgotten here, but was not revoked at Procore: "
            "the user can do that under My Profile, Connected Apps."
        )


@app.command()
def rotate_key(context: typer.Context) -> None:
    """Make a new key for the vault, and seal all stored authorizations with it; older keys are kept."""
    from syncd.cli.opening import opened
    from syncd.cli.output import print_line

    with opened(context) as program:
        place = program.access.keyring.rotate()
        count = program.access.accounts().reseal()
        seals = f"{count} stored authorization{'' if count == 1 else 's'}"
        if place is not None:
            print_line(
                f"A new key stands first in {place}, and seals {seals}. The older keys stay below it: pseudonyms need them."
            )
            return
        print_line(f"The first word of vault.key seals {seals}.")
        print_line(
            "To rotate it, put a new key and a space in front of the value, and do this again. "
            "One is made by: openssl rand -base64 32 | tr +/ -_"
        )


def _check(user: str) -> None:
    """Make sure that a user's label is one that a job can name.

    Raises:
        ConfigError: It is not.
    """
    from pydantic import TypeAdapter, ValidationError

    from syncd.config.keys import Label
    from syncd.errors import ConfigError

    try:
        TypeAdapter(Label).validate_python(user)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{user} is no name for a user: it {why}.", "For example: syncd auth login alice") from None


def _make_key(program: App) -> None:
    made = program.access.keyring.make()
    if made is not None:
        typer.echo(
            f"The key that seals users' authorizations was made: {made}\n"
            "Keep a copy apart from the database: without it nobody can open them, with both anybody can.",
            err=True,
        )
    program.access.keyring.vault()


def _by_hand(program: App, consent: Consent, user: str) -> str:
    sys.stdout.write(f"{consent.url}\n")
    sys.stdout.flush()
    if sys.stdin.isatty():
        typer.echo(
            "Open that address, sign in, and paste the code, or the address that the browser ended at:", err=True
        )
    with _interruptible():
        pasted = sys.stdin.readline()
    return _finished(program, consent.code(pasted), user)


def _by_browser(program: App, consent: Consent, user: str) -> str:
    import webbrowser

    from syncd.auth.secret import Secret

    def show() -> None:
        typer.echo(f"Sign in in the browser. If none opens, go to:\n{consent.url}", err=True)
        webbrowser.open(consent.url)

    def complete(code: Secret) -> str:
        return _finished(program, code, user)

    with _interruptible():
        return consent.receive(complete, show)


def _finished(program: App, code: Any, user: str) -> str:
    program.access.accounts().login(user, code)
    return f"{user} is signed in, and jobs with as_user: {user} can run."


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let ctrl-C and SIGTERM end the process while a person is waited for: nothing is under way."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _document(one: StoredToken, state: str, detail: str) -> dict[str, Any]:
    from syncd.cli.sync import stamp

    def at(moment: datetime | None) -> str | None:
        return stamp(moment)

    return {
        "user": one.label,
        "login": one.login,
        "company_id": one.company_id,
        "state": state,
        "detail": detail or None,
        "signed_in_at": at(one.consented_at),
        "refreshed_at": at(one.refreshed_at),
        "expires_at": at(one.expires_at),
    }
