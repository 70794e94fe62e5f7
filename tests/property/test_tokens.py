"""Manager, supply and vault against a token endpoint whose refresh tokens live once, through random misfortunes."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tokens import Endpoint, MemoryFailures, MemoryLocks, MemoryTokens, Time, vault

from syncd.auth.accounts import Accounts
from syncd.auth.manager import TokenManager
from syncd.auth.secret import Secret
from syncd.auth.users import UserSupply
from syncd.errors import SyncdError

MISFORTUNES = ("none", "reset", "lost", "down", "crash before", "crash after", "overtaken before", "overtaken after")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Procore(Endpoint):
    """The endpoint, and what befalls each request; another process may act in the middle of one."""

    def __init__(self, world: World) -> None:
        super().__init__(life=5400)
        self.world = world
        self.fates: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fate = self.fates.pop(0) if self.fates else "none"
        kind, _, moment = fate.partition(" ")
        if moment == "before":
            self.world.befall(kind)
        if kind == "reset":
            raise httpx.ReadError("reset")
        if kind == "down":
            return httpx.Response(503)
        answer = super().__call__(request)
        if kind == "lost":
            raise httpx.ReadError("the answer was lost")
        if moment == "after":
            self.world.befall(kind)
        return answer


class World:
    """Two processes of one user on one store."""

    def __init__(self) -> None:
        self.time, self.store = Time(), MemoryTokens()
        self.locks = MemoryLocks(self.time.now)
        self.procore = Procore(self)
        self.grants = self.procore.grants()
        self.procore.live.add("the-code")
        accounts = Accounts(self.grants, self.store, vault, self.locks, MemoryFailures(), self.time)
        accounts.login("alice", Secret("the-code"))
        self.managers = [self.process(), self.process()]

    def process(self) -> TokenManager:
        supply = UserSupply("alice", self.grants, self.store, vault, self.locks, self.time)
        return TokenManager("user:alice", supply, self.time, MemoryFailures(), seed=1)

    def befall(self, kind: str) -> None:
        if kind == "crash":
            raise Killed
        # Frozen beyond its lease: another process goes its way meanwhile.
        self.time.advance(61)
        self.attempt(self.process())

    def attempt(self, manager: TokenManager, refused: Secret | None = None) -> Secret | None:
        try:
            return manager.token() if refused is None else manager.refused(refused)
        except SyncdError:
            return None

    def use(self, number: int, *, refuse: bool) -> None:
        try:
            token = self.attempt(self.managers[number])
            if refuse and token is not None:
                self.attempt(self.managers[number], token)
        except Killed:
            self.managers[number] = self.process()

    @property
    def stored_is_alive(self) -> bool:
        _, refresh = vault().open(self.store.rows["alice"].sealed)
        return refresh is not None and refresh.reveal() in self.procore.live


step = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("pass"), st.sampled_from([1, 60, 4_300, 5_390, 5_400, 100_000]), st.none()),
    st.tuples(st.just("jump"), st.sampled_from([-86_400, -60, 60, 86_400]), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(step, max_size=25), st.lists(st.sampled_from(MISFORTUNES), max_size=12))
def test_consent_is_asked_for_again_only_where_an_answer_was_lost(steps: list[Any], fates: list[str]) -> None:
    world = World()
    world.procore.fates = list(fates)
    for kind, value, refuse in steps:
        if kind == "use":
            world.use(value, refuse=refuse)
        elif kind == "pass":
            world.time.advance(value)
        else:
            world.time.jump(value)
    world.procore.fates.clear()
    stored = world.store.rows["alice"]
    given_up = stored.lost >= 3
    alive = world.stored_is_alive
    if stored.state != "ok":
        assert given_up or not alive
    world.time.advance(100_000)
    last = world.process()
    token = world.attempt(last)
    if token is not None:
        # It may have ended, by a clock that was set back: the API says so.
        token = world.attempt(last, token)
    assert (token is not None) == (alive and not given_up)
    if token is not None:
        assert vault().open(world.store.rows["alice"].sealed)[0] == token
        assert world.attempt(world.process()) == token
