"""What every store of users' tokens does, in memory and in each database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support.tokens import MemoryTokens

from syncd.auth.ports import StoredToken, TokenStore
from syncd.storage import migrate
from syncd.storage.database import Database
from syncd.storage.tokens import SqlTokens

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=90)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Iterator[TokenStore]:
    if request.param == "memory":
        yield MemoryTokens()
        return
    url = (
        f"sqlite:///{request.getfixturevalue('tmp_path') / 'tokens.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    database = Database(url, "procore")
    migrate.verify(database)
    yield SqlTokens(database, "https://login", "client", "http://localhost", StoredToken)
    database.close()


def stored(store: TokenStore, label: str = "alice") -> StoredToken:
    found = store.get(label)
    assert found is not None
    return found


def test_a_first_pair_is_found_by_its_label(store: TokenStore) -> None:
    assert store.get("alice") is None
    store.create("alice", b"sealed", LATER, NOW)
    one = stored(store)
    assert (one.sealed, one.generation, one.state, one.expires_at, one.consented_at) == (b"sealed", 1, "ok", LATER, NOW)
    assert (one.refreshed_at, one.intent, one.lost, one.life) == (None, None, 0, timedelta(minutes=90))


def test_a_second_consent_takes_the_place_of_the_first_and_its_generation_is_new(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    store.close("alice", 1, "revoked")
    store.create("alice", b"two", LATER, NOW)
    assert (stored(store).sealed, stored(store).generation, stored(store).state) == (b"two", 2, "ok")


def test_all_are_listed_by_label(store: TokenStore) -> None:
    for label in ("carol", "alice", "bob"):
        store.create(label, b"sealed", LATER, NOW)
    assert [one.label for one in store.all()] == ["alice", "bob", "carol"]


def test_an_intent_is_journalled_until_the_next_pair_is_stored(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    store.intend("alice", 1, NOW)
    assert stored(store).intent == 1
    assert store.replace("alice", 1, b"two", LATER + timedelta(hours=1), LATER)
    one = stored(store)
    assert (one.sealed, one.generation, one.intent, one.refreshed_at) == (b"two", 2, None, LATER)
    assert one.life == timedelta(hours=1)


def test_answers_that_were_lost_are_counted_per_generation(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    for _ in range(2):
        store.intend("alice", 1, NOW)
        store.lost("alice", 1)
    assert stored(store).lost == 2
    store.replace("alice", 1, b"two", LATER, NOW)
    store.intend("alice", 2, NOW)
    assert stored(store).lost == 0


def test_who_comes_too_late_changes_nothing(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    store.replace("alice", 1, b"two", LATER, NOW)
    assert not store.replace("alice", 1, b"other", LATER, NOW)
    assert not store.reseal("alice", 1, b"other")
    store.close("alice", 1, "too late")
    store.intend("alice", 1, NOW)
    store.lost("alice", 1)
    one = stored(store)
    assert (one.sealed, one.state, one.intent, one.lost) == (b"two", "ok", None, 0)


def test_a_pair_that_is_stored_after_all_opens_what_was_closed(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    store.close("alice", 1, "revoked")
    assert (stored(store).state, stored(store).reason) == ("consent needed", "revoked")
    assert store.replace("alice", 1, b"two", LATER, NOW)
    assert (stored(store).state, stored(store).reason) == ("ok", None)


def test_resealing_keeps_the_generation(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    assert store.reseal("alice", 1, b"resealed")
    assert (stored(store).sealed, stored(store).generation) == (b"resealed", 1)


def test_who_it_is_stays_through_renewals(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    store.identify("alice", "alice@example.com", 2**40, 4266)
    store.replace("alice", 1, b"two", LATER, NOW)
    assert (stored(store).login, stored(store).company_id) == ("alice@example.com", 4266)


def test_what_is_forgotten_is_gone(store: TokenStore) -> None:
    store.create("alice", b"one", LATER, NOW)
    assert store.delete("alice")
    assert not store.delete("alice")
    assert store.get("alice") is None


def test_tokens_never_cross_apps_or_environments(request: pytest.FixtureRequest) -> None:
    database = Database(f"sqlite:///{request.getfixturevalue('tmp_path') / 'tokens.db'}")
    migrate.verify(database)
    one = SqlTokens(database, "https://login", "client", "http://localhost", StoredToken)
    one.create("alice", b"sealed", LATER, NOW)
    for login_url, client in (("https://sandbox", "client"), ("https://login", "another")):
        other = SqlTokens(database, login_url, client, "http://localhost", StoredToken)
        assert other.get("alice") is None
        assert not other.all()
        assert not other.delete("alice")
    database.close()
