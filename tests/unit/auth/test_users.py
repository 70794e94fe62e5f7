from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from support.tokens import KEY, Endpoint, MemoryFailures, MemoryLocks, MemoryTokens, Time, lost_after, vault

from syncd.auth.accounts import Accounts
from syncd.auth.manager import TokenManager
from syncd.auth.ports import StoredToken
from syncd.auth.secret import Secret
from syncd.auth.users import UserSupply, lease_name
from syncd.auth.vault import Vault, new_key
from syncd.errors import ConfigError, ConsentNeeded, StoreUnavailable, SyncdError, VaultError


@dataclass
class Bench:
    life: float = 5400
    time: Time = field(default_factory=Time)
    store: MemoryTokens = field(default_factory=MemoryTokens)
    failures: MemoryFailures = field(default_factory=MemoryFailures)
    keys: list[str] = field(default_factory=lambda: [KEY])

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(life=self.life)
        self.grants = self.endpoint.grants()
        self.locks = MemoryLocks(self.time.now)
        self.accounts = Accounts(self.grants, self.store, self.vault, self.locks, self.failures, self.time)

    def vault(self) -> Vault:
        return vault(*self.keys)

    def login(self, label: str = "alice") -> None:
        self.endpoint.live.add("the-code")
        self.accounts.login(label, Secret("the-code"))
        self.endpoint.forms.clear()

    def supply(self, label: str = "alice") -> UserSupply:
        return UserSupply(label, self.grants, self.store, self.vault, self.locks, self.time)

    def manager(self) -> TokenManager:
        return TokenManager("user:alice", self.supply(), self.time, self.failures, seed=1)

    @property
    def asked(self) -> int:
        return len(self.endpoint.forms)

    @property
    def stored(self) -> StoredToken:
        return self.store.rows["alice"]


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.login()
    return made


def test_a_stored_token_is_used_without_asking(bench: Bench) -> None:
    grant = bench.supply().fetch(None)
    assert (grant.life, bench.asked) == (5400, 0)


def test_a_token_that_ended_is_exchanged_and_the_pair_stored_before_it_is_used(bench: Bench) -> None:
    bench.time.advance(5400)
    grant = bench.supply().fetch(None)
    assert bench.asked == 1
    assert bench.stored.generation == 2
    assert bench.vault().open(bench.stored.sealed) == (grant.access, grant.refresh)
    assert bench.supply().fetch(None).access == grant.access
    assert bench.asked == 1


def test_the_intent_is_journalled_before_the_request_is_sent(bench: Bench) -> None:
    seen: list[int | None] = []
    bench.endpoint.script = [lambda _: seen.append(bench.stored.intent)]
    bench.time.advance(5400)
    bench.supply().fetch(None)
    assert seen == [1]
    assert bench.stored.intent is None


def test_another_process_takes_what_the_first_has_stored(bench: Bench) -> None:
    first, second = bench.manager(), bench.manager()
    assert first.token() == second.token()
    for _ in range(50):
        bench.time.advance(5400 * 0.95)
        assert first.token() == second.token()
    assert bench.asked == 50


def test_the_loser_waits_for_the_winner_and_reads_again(bench: Bench) -> None:
    bench.time.advance(5400)
    winner = bench.locks.lease(lease_name("alice"), 60)
    slept: list[float] = []

    @dataclass
    class Waits(Time):
        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            sealed = bench.vault().seal(Secret("from-the-winner"), Secret("next"))
            bench.store.replace("alice", 1, sealed, bench.time.now() + bench.stored.life, bench.time.now())
            winner.release()

    time = Waits()
    time.wall = bench.time.wall
    supply = UserSupply("alice", bench.grants, bench.store, bench.vault, bench.locks, time)
    assert supply.fetch(None).access == Secret("from-the-winner")
    assert (len(slept), bench.asked) == (1, 0)


def test_one_that_died_in_an_exchange_is_waited_for_no_longer_than_its_lease(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.locks.lease(lease_name("alice"), 60)
    bench.store.intend("alice", 1, bench.time.now())
    bench.supply().fetch(None)
    assert 59 <= sum(bench.time.slept) <= 61


def test_a_lost_answer_whose_request_was_not_carried_out_costs_no_consent(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.endpoint.script = [httpx.ReadError("reset"), httpx.ReadTimeout("slow")]
    bench.manager().token()
    assert (bench.stored.state, bench.stored.lost) == ("ok", 0)
    assert sum(bench.time.slept) >= 45


def test_a_lost_answer_whose_request_was_carried_out_needs_consent(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.endpoint.script = [lost_after(bench.endpoint)]
    manager = bench.manager()
    with pytest.raises(ConsentNeeded) as caught:
        manager.token()
    assert caught.value.remedy == "Let the user sign in: syncd auth login alice"
    assert "its answer lost" in str(bench.stored.reason)
    assert bench.asked == 2


def test_answers_that_stay_lost_need_consent_after_three_tries(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.endpoint.script = [httpx.ReadError("reset")] * 100
    with pytest.raises(ConsentNeeded, match="3 times"):
        bench.manager().token()
    assert (bench.asked, bench.stored.state) == (3, "consent needed")


def test_crashes_in_an_exchange_that_was_not_carried_out_cost_no_consent_however_many(bench: Bench) -> None:
    bench.time.advance(5400)
    for _ in range(10):
        bench.endpoint.script = [_killed]
        with pytest.raises(KeyboardInterrupt):
            bench.supply().fetch(None)
    bench.supply().fetch(None)
    assert bench.stored.state == "ok"


def _killed(form: dict[str, str]) -> None:
    raise KeyboardInterrupt


def test_an_endpoint_that_is_down_costs_no_consent(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.endpoint.script = [httpx.Response(503), httpx.ConnectError("refused")] * 4
    bench.manager().token()
    assert bench.stored.state == "ok"


def test_credentials_that_are_refused_do_not_touch_the_authorization(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.endpoint.script = [httpx.Response(401, json={"error": "invalid_client"})]
    manager = bench.manager()
    with pytest.raises(Exception, match="credentials"):
        manager.token()
    assert bench.stored.state == "ok"
    bench.time.advance(61)
    manager.token()


def test_who_is_too_late_with_an_old_token_takes_the_new_one(bench: Bench) -> None:
    """Its lease ran out while it was frozen, and another process has exchanged."""
    bench.time.advance(5400)

    def overtaken(form: dict[str, str]) -> None:
        bench.locks.held.clear()
        bench.supply().fetch(None)

    bench.endpoint.script = [overtaken]
    grant = bench.supply().fetch(None)
    assert bench.vault().open(bench.stored.sealed)[0] == grant.access
    assert (bench.stored.state, bench.stored.generation) == ("ok", 2)


def test_a_frozen_process_that_did_exchange_opens_what_the_other_closed(bench: Bench) -> None:
    bench.time.advance(5400)

    def overtaken(form: dict[str, str]) -> httpx.Response:
        answer = bench.endpoint.answer(form)
        bench.locks.held.clear()
        with pytest.raises(ConsentNeeded):
            bench.supply().fetch(None)
        return answer

    bench.endpoint.script = [overtaken]
    grant = bench.supply().fetch(None)
    assert bench.stored.state == "ok"
    assert bench.supply().fetch(None).access == grant.access


@dataclass
class Stubborn(MemoryTokens):
    failing: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def replace(self, *arguments: Any) -> bool:
        if self.failing > 0:
            self.failing -= 1
            raise StoreUnavailable("The database is locked.")
        return super().replace(*arguments)


@pytest.mark.parametrize("failing", [1, 4, 7])
def test_a_pair_that_cannot_be_stored_at_once_is_not_lost(failing: int) -> None:
    store = Stubborn()
    bench = Bench(store=store)
    bench.login()
    bench.time.advance(5400)
    store.failing = failing
    supply = bench.supply()
    while True:
        try:
            grant = supply.fetch(None)
        except StoreUnavailable:
            continue
        break
    assert bench.asked == 1
    assert bench.vault().open(bench.stored.sealed)[0] == grant.access


def test_the_vault_is_opened_before_a_token_is_spent(bench: Bench) -> None:
    bench.time.advance(5400)
    bench.keys = [new_key().reveal()]
    with pytest.raises(VaultError, match="another key"):
        bench.supply().fetch(None)
    assert bench.asked == 0


def test_a_refused_token_is_exchanged_though_it_has_time_left(bench: Bench) -> None:
    manager = bench.manager()
    token = manager.token()
    assert manager.refused(token) != token
    assert bench.asked == 1


@pytest.mark.parametrize("seconds", [7 * 86_400, -7 * 86_400])
def test_a_wall_clock_that_jumped_between_two_processes_is_survived(bench: Bench, seconds: float) -> None:
    bench.time.jump(seconds)
    manager = bench.manager()
    for _ in range(3):
        token = manager.token()
        bench.time.advance(5400)
    assert manager.refused(token) is not None
    assert bench.asked <= 4
    assert bench.stored.state == "ok"


def test_tokens_of_two_seconds_are_shared_too() -> None:
    bench = Bench(life=2)
    bench.login()
    bench.time.advance(2)
    first = bench.supply().fetch(None)
    assert bench.supply().fetch(None).access == first.access
    assert bench.asked == 1


def test_nobody_who_signed_in_is_told_the_command(bench: Bench) -> None:
    with pytest.raises(ConsentNeeded) as caught:
        bench.supply("bob").fetch(None)
    assert str(caught.value) == "No authorization of bob is stored. Let the user sign in: syncd auth login bob"


def test_a_new_consent_replaces_one_that_was_lost(bench: Bench) -> None:
    bench.store.close("alice", 1, "revoked")
    with pytest.raises(ConsentNeeded, match="revoked"):
        bench.supply().fetch(None)
    bench.login()
    assert bench.supply().fetch(None).access
    assert bench.stored.generation == 2


def test_signing_out_revokes_and_forgets(bench: Bench) -> None:
    refresh = next(iter(bench.endpoint.live))
    assert bench.accounts.logout("alice") is None
    assert bench.endpoint.revoked == [refresh]
    assert bench.store.get("alice") is None
    with pytest.raises(ConfigError, match="alice"):
        bench.accounts.logout("alice")


def test_signing_out_forgets_also_where_the_key_is_lost(bench: Bench) -> None:
    bench.keys = [new_key().reveal()]
    assert isinstance(bench.accounts.logout("alice"), VaultError)
    assert bench.store.get("alice") is None


def test_a_new_key_seals_everything_and_the_old_one_alone_opens_nothing(bench: Bench) -> None:
    bench.login("bob")
    fresh = new_key().reveal()
    bench.keys = [fresh, KEY]
    assert bench.accounts.reseal() == 2
    for one in bench.store.all():
        vault(fresh).open(one.sealed)
        with pytest.raises(VaultError):
            vault(KEY).open(one.sealed)


def test_an_unusable_key_spends_no_code(bench: Bench) -> None:
    bench.keys = ["no key"]
    with pytest.raises(VaultError):
        bench.login("bob")
    assert "the-code" in bench.endpoint.live


def test_a_code_whose_answer_was_lost_is_told_as_such(bench: Bench) -> None:
    bench.endpoint.live.add("a-code")
    bench.endpoint.script = [lost_after(bench.endpoint)]
    with pytest.raises(SyncdError) as caught:
        bench.accounts.login("bob", Secret("a-code"))
    assert caught.value.remedy == "Start again: syncd auth login bob"
    assert bench.store.get("bob") is None
