"""`syncd sandbox`: the Procore sandbox alone, until it is interrupted."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer


def sandbox(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")
    ] = 8900,
    live: Annotated[bool, typer.Option("--live", help="Let records change over time.")] = False,
    live_every: Annotated[float, typer.Option("--live-every", min=0.01, help="Seconds between two changes.")] = 2.0,
    seed: Annotated[int, typer.Option("--seed", help="Same seed and day, same records.")] = 1,
    projects: Annotated[int, typer.Option("--projects", min=1, help="How many projects.")] = 12,
    scale: Annotated[float, typer.Option("--scale", min=0.01, help="Factor on the number of records.")] = 1.0,
    token_lifetime: Annotated[
        float, typer.Option("--token-lifetime", help="Seconds that an access token lives.")
    ] = 5400,
    hourly: Annotated[int, typer.Option("--hourly", min=1, help="Requests permitted per hour.")] = 72_000,
    spike: Annotated[int, typer.Option("--spike", min=1, help="Requests permitted per 10 seconds.")] = 1_000,
) -> None:
    """Serve a Procore look-alike on loopback: client demo, secret demo, company 4266.

    Prints its address as the first line once it answers. Ends on SIGTERM or ctrl-C.
    """
    from syncd.errors import SyncdError
    from syncd.sandbox.server import Sandbox

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    box = Sandbox(
        seed=seed,
        projects=projects,
        scale=scale,
        token_lifetime=token_lifetime,
        quota=((hourly, 3600.0), (spike, 10.0)),
    )
    try:
        address = box.start(port, live_every=live_every if live else None)
    except OSError as error:
        raise SyncdError(
            f"Port {port} on 127.0.0.1 cannot be used: {error.strerror}.",
            "Stop what listens there, or choose another port with --port (0: any free one).",
        ) from None
    typer.echo(address)
    ended.wait()
    box.stop()
