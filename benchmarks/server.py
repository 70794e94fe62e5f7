"""The load server: pages serialised beforehand, sent by one event loop, so that it is never what is measured.

`python server.py --projects 200 --records 200000` prints its address once it answers. `POST /control` (JSON) resets
the data set, changes a share of the records, or sets a delay; `GET /stats` tells how many requests came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from email.utils import formatdate
from functools import partial
from itertools import accumulate
from urllib.parse import parse_qsl, urlsplit

from dataset import ARRAYS, PRIME, RESOURCES, TITLES, Record, make_project, make_record, project_ids, stamp

_PATHS = [
    ("projects", re.compile(r"/rest/v1\.[01]/(?:companies/\d+/)?projects")),
    ("rfis", re.compile(r"/rest/v1\.0/projects/(\d+)/rfis")),
    ("submittals", re.compile(r"/rest/v1\.1/projects/(\d+)/submittals")),
    ("change_events", re.compile(r"/rest/v1\.1/change_events")),
    ("observations", re.compile(r"/rest/v1\.0/observations/items")),
]
_LARGEST_PAGE = 2_000
_TOKEN = b'{"access_token":"benchmark","token_type":"bearer","expires_in":5400,"created_at":%d}'
Part = tuple[str, int]
"""A resource, and a project or 0."""
Records = list[tuple[int, bytes]]
"""When each record was changed, and its JSON."""


class Listing:
    """The records of one partition as one body, from which pages are cut.

    Args:
        records: As they are listed.
    """

    def __init__(self, records: Records) -> None:
        self.stamps = [seconds for seconds, _ in records]
        self.newest = max(self.stamps, default=0)
        self.body = b"[" + b",".join(text for _, text in records) + b"]"
        self._starts = list(accumulate((len(text) + 1 for _, text in records), initial=1))

    def __len__(self) -> int:
        return len(self.stamps)

    def record(self, index: int) -> bytes:
        """One record's JSON."""
        return self.body[self._starts[index] : self._starts[index + 1] - 1]

    def page(self, first: int, count: int) -> bytes:
        """So many records from one on, as a JSON array."""
        last = min(first + count, len(self))
        if first == 0 and last == len(self):
            return self.body
        if first >= last:
            return b"[]"
        return b"[" + self.body[self._starts[first] : self._starts[last] - 1] + b"]"

    def between(self, low: int, high: int) -> Listing | None:
        """The records changed in a range of seconds, both ends included; None for no record."""
        if low > self.newest:
            return None
        found = [index for index, seconds in enumerate(self.stamps) if low <= seconds <= high]
        if len(found) == len(self):
            return self
        return Listing([(self.stamps[index], self.record(index)) for index in found])


class World:
    """All listings, and those that differ since the last reset.

    Args:
        listings: By resource and project.
    """

    def __init__(self, listings: dict[Part, Listing]) -> None:
        self._base = listings
        self._changed: dict[Part, Listing] = {}
        self.parts = [part for part in listings if part[1]]

    def __getitem__(self, part: Part) -> Listing | None:
        return self._changed.get(part) or self._base.get(part)

    def reset(self) -> None:
        """As it was at the start."""
        self._changed.clear()

    def change(self, every: int) -> int:
        """Change every so-manieth record now; returns how many were."""
        now, changed, seen = int(time.time()), 0, 0
        for part in self.parts:
            listing = self._base[part]
            picked = range(-seen % every, len(listing), every)
            seen += len(listing)
            if not picked:
                continue
            records = [(seconds, listing.record(index)) for index, seconds in enumerate(listing.stamps)]
            for index in picked:
                record = json.loads(records[index][1])
                record[TITLES[part[0]]] += " (changed)"
                record["updated_at"] = stamp(now)
                records[index] = (now, _dump(record))
            self._changed[part] = Listing(records)
            changed += len(picked)
        return changed

    def expected(self) -> dict[str, list[int]]:
        """Per resource: records, sum of their ids, a checksum over ids and change times, length of all titles.

        And per child table: rows, sum of their ids.
        """
        sums: dict[str, list[int]] = {resource: [0, 0, 0, 0] for resource in RESOURCES}
        sums |= {f"{resource}.{array}": [0, 0] for resource, array in ARRAYS.items()}
        for resource, project in self.parts:
            listing = self[resource, project]
            assert listing is not None
            for seconds, record in zip(listing.stamps, json.loads(listing.body), strict=True):
                mixed = record["id"] % PRIME * (seconds % PRIME)
                _add(sums[resource], 1, record["id"], mixed, len(record[TITLES[resource]]))
                if resource in ARRAYS:
                    inner = record[ARRAYS[resource]]
                    _add(sums[f"{resource}.{ARRAYS[resource]}"], len(inner), sum(item["id"] for item in inner))
        return sums


def _add(sums: list[int], *more: int) -> None:
    for index, value in enumerate(more):
        sums[index] += value


def _dump(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text.strip('"')).timestamp())


def _make(part: Part, count: int) -> Records:
    records = (make_record(*part, number) for number in range(count))
    return [(_seconds(record["updated_at"]), _dump(record)) for record in records]


def build(projects: int, records: int) -> World:
    """The data set: the records spread evenly over projects and resources."""
    ids = project_ids(projects)
    listed = [make_project(project) for project in ids]
    found = {("projects", 0): Listing([(_seconds(one["updated_at"]), _dump(one)) for one in listed])}
    parts = [(resource, project) for project in ids for resource in RESOURCES]
    share, rest = divmod(records, len(parts))
    counts = [share + (index < rest) for index in range(len(parts))]
    with ProcessPoolExecutor() as pool:
        made = pool.map(_make, parts, counts, chunksize=8)
        found |= {part: Listing(one) for part, one in zip(parts, made, strict=True)}
    return World(found)


class Service:
    """Answers requests.

    Args:
        world: The data set.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.delay = 0.0
        self.requests: Counter[str] = Counter()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, list[str], bytes]:
        """Status, headers and body."""
        url = urlsplit(target)
        if url.path == "/oauth/token":
            self.requests["token"] += 1
            return 200, [], _TOKEN % int(time.time())
        if url.path == "/control":
            return 200, [], json.dumps(self._control(json.loads(body))).encode()
        if url.path == "/expected":
            return 200, [], json.dumps(self._world.expected()).encode()
        if url.path == "/stats":
            return 200, [], json.dumps(self.requests).encode()
        return self._list(method, url.path, dict(parse_qsl(url.query)), target)

    def _control(self, wish: dict[str, float]) -> dict[str, float]:
        self.requests.clear()
        self.delay = wish.get("delay", 0.0)
        if wish.get("reset"):
            self._world.reset()
        return {"changed": self._world.change(int(wish["every"]))} if "every" in wish else {}

    def _list(self, method: str, path: str, query: dict[str, str], target: str) -> tuple[int, list[str], bytes]:
        matches = ((name, pattern.fullmatch(path)) for name, pattern in _PATHS if method == "GET")
        resource, found = next((match for match in matches if match[1]), ("", None))
        if found is None and "/recycle_bin" in path:
            self.requests["deleted"] += 1
            return 200, ["Total: 0"], b"[]"
        if found is None:
            self.requests["unknown"] += 1
            return 404, [], b'{"errors":"not found"}'
        self.requests[resource] += 1
        project = 0 if resource == "projects" else int(found[1] if found.groups() else query.get("project_id", 0))
        listing = self._world[resource, project]
        if listing is None:
            return 404, [], b'{"errors":"not found"}'
        return 200, *_cut(listing, query, target)


def _cut(listing: Listing | None, query: dict[str, str], target: str) -> tuple[list[str], bytes]:
    """A page of a listing, filtered as asked: headers and body."""
    span = query.get("filters[updated_at]")
    if span and listing is not None:
        low, _, high = span.partition("...")
        listing = listing.between(_seconds(low), _seconds(high))
    size = min(int(query.get("per_page", 100)), _LARGEST_PAGE)
    page = int(query.get("page", 1))
    total = 0 if listing is None else len(listing)
    headers = [f"Total: {total}", f"Per-Page: {size}"]
    if page * size < total:
        base = re.sub(r"[?&](per_)?page=\d+", "", target)
        mark = "&" if "?" in base else "?"
        headers.append(f'Link: <{base}{mark}page={page + 1}&per_page={size}>; rel="next"')
    return headers, b"[]" if listing is None else listing.page((page - 1) * size, size)


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as much of it as clients of a JSON API use.

    Args:
        service: Answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self._origin = f"http://{host}:{port}"

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            found = re.search(r"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            last = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < last:
                return
            body, self._buffer = self._buffer[end + 4 : last], self._buffer[last:]
            method, target, _ = head.split(" ", 2)
            own = target.startswith(("/control", "/stats", "/expected"))
            reply = partial(self._reply, *self._service.answer(method, target, body))
            self._later(reply, 0.0 if own else self._service.delay)

    def _later(self, reply: Callable[[], None], delay: float) -> None:
        if delay:
            asyncio.get_running_loop().call_later(delay, reply)
        else:
            reply()

    def _reply(self, status: int, headers: list[str], body: bytes) -> None:
        now = time.time()
        lines = [
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}",  # noqa: PLR2004 - the two that it answers
            "Content-Type: application/json; charset=utf-8",
            f"Content-Length: {len(body)}",
            f"Date: {formatdate(now, usegmt=True)}",
            "X-Rate-Limit-Limit: 100000000",
            "X-Rate-Limit-Remaining: 99999999",
            f"X-Rate-Limit-Reset: {int(now) + 3_000}",
            *(line.replace("Link: </", f"Link: <{self._origin}/") for line in headers),
        ]
        if not self._transport.is_closing():
            self._transport.writelines(["\r\n".join(lines).encode() + b"\r\n\r\n", body])


async def serve(world: World, port: int) -> None:
    """Serve until the process is ended."""
    service = Service(world)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(service), "127.0.0.1", port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Build the data set, then serve it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    asyncio.run(serve(build(args.projects, args.records), args.port))


if __name__ == "__main__":
    main()
