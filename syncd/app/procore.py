"""The way to Procore that everything done with one configuration shares: connections, quota, and what is counted."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncd.api.circuit import Circuit
from syncd.api.client import Client
from syncd.api.connections import STEP_SECONDS, Connections
from syncd.api.pacer import Pacer
from syncd.api.ports import Clock, Transport
from syncd.api.proxy import proxy_for
from syncd.api.quota import quota_of
from syncd.api.requests import RequestLedger
from syncd.api.source import Api
from syncd.app.endpoint import ENDPOINT_SECONDS, TokenEndpoint
from syncd.app.kit import Kit
from syncd.auth import grants as oauth
from syncd.auth.bearer import Bearer
from syncd.auth.grants import Grants
from syncd.auth.manager import TokenManager
from syncd.auth.secret import Secret
from syncd.config.settings import ProcoreSettings
from syncd.errors import ConfigError
from syncd.storage.database import Database
from syncd.storage.quota import SqlQuota, SqlRequests

if TYPE_CHECKING:
    from httpx import BaseTransport


class Procore:
    """Procore, as one OAuth client reaches it.

    Args:
        keys: Where it is, and which client this is.
        database: Where quota and requests are counted, for all processes.
        kit: What does not change with the configuration.
        transport: The way to Procore; None: the network.

    Attributes:
        client_digest: What the client is called in the database.
        grants: The token endpoint.
        pacer: Keeps within the client's quota.
        ledger: Counts requests.
    """

    def __init__(self, keys: ProcoreSettings, database: Database, kit: Kit, transport: BaseTransport | None) -> None:
        self._url = keys.api_url
        self._clock = kit.clock
        authorities = _authorities(keys)
        self._transport = _way(keys.api_url, kit.clock, authorities, transport)
        self._login = _way(keys.login_url, kit.clock, authorities, transport, step_seconds=ENDPOINT_SECONDS)
        secret = Secret(keys.client_secret.get_secret_value())
        app = oauth.App(keys.login_url, keys.client_id, secret, keys.redirect_uri)
        self.grants = Grants(TokenEndpoint(self._login, keys.login_url).post, app, kit.redactor)
        self.client_digest = hashlib.sha256(f"{keys.login_url} {keys.client_id}".encode()).hexdigest()
        quota = SqlQuota(database, self.client_digest, quota_of, kit.clock.now)
        self.pacer = Pacer(quota, kit.clock, keys.quota_share)
        self.ledger = RequestLedger(SqlRequests(database, self.client_digest), kit.clock)
        self._circuit = Circuit(kit.clock)

    def api(self, manager: TokenManager, waiting: Callable[[float, str], None]) -> Api:
        """The API with the tokens of one principal; it counts its own requests.

        Args:
            manager: Gives the tokens.
            waiting: Told of waits.
        """
        client = Client(
            self._transport,
            self._url,
            Bearer(manager),
            self.pacer,
            self.ledger,
            self._circuit,
            self._clock,
            ready=manager.token,
        )
        return Api(client, waiting)

    def flush(self) -> None:
        """Hand on what is counted."""
        self.ledger.flush()
        self.pacer.flush()

    def close(self) -> None:
        """Hand on what is counted, and close connections."""
        try:
            self.flush()
        finally:
            self._login.close()
            self._transport.close()


def _authorities(keys: ProcoreSettings) -> ssl.SSLContext:
    """Whom to believe; nobody where nothing is asked over TLS, as reading their certificates takes a twentieth of a start."""
    if not any(url.startswith("https:") for url in (keys.login_url, keys.api_url)):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    import certifi  # noqa: PLC0415 - see above

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        return ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder)
    except OSError as error:
        raise ConfigError(
            f"The certificates in {file or folder or certifi.where()} cannot be read: {error.strerror or error}.",
            "Check the variables SSL_CERT_FILE and SSL_CERT_DIR of the environment.",
        ) from None


def _way(
    url: str,
    clock: Clock,
    authorities: ssl.SSLContext,
    instead: BaseTransport | None,
    *,
    step_seconds: float = STEP_SECONDS,
) -> Transport:
    """The way to an origin: straight, by a proxy that the environment names, or by what stands in the network's place."""
    proxy = proxy_for(url, os.environ)
    if instead is None and proxy is None:
        return Connections(url, clock, authorities, step_seconds=step_seconds)
    from syncd.api.over_httpx import OverHttpx  # noqa: PLC0415 - a straight way needs no httpx

    return OverHttpx(instead, url, step_seconds=step_seconds, proxy=proxy, tls=authorities)
