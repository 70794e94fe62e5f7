"""The proxy that an environment names for an address, by the variables that curl, pip and httpx obey."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy's address, or None where requests go straight.

    Args:
        url: Where requests go.
        environ: HTTPS_PROXY (or HTTP_PROXY, by the address's scheme), ALL_PROXY and NO_PROXY, in capitals or not.
    """
    named = {name.lower(): value for name, value in environ.items() if name.lower().endswith("_proxy") and value}
    address = urlsplit(url)
    proxy = named.get(f"{address.scheme}_proxy") or named.get("all_proxy")
    if proxy is None or _is_exempt(address.hostname or "", named.get("no_proxy", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(host: str, exempt: str) -> bool:
    names = [name.strip().lower().lstrip(".") for name in exempt.split(",")]
    return any(name and (name == "*" or f".{host}".endswith(f".{name}")) for name in names)
