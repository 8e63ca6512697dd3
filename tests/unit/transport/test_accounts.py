"""What a key may send: paused in debt, banned for what cannot be read, and no honest peer notices."""

from __future__ import annotations

import pytest

from zisk_actors.transport.accounts import BURST_SECONDS, MAX_ACCOUNTS, Account, Accounts, Bucket, KeyRates

RATES = KeyRates(messages_per_second=10, bytes_per_second=1000, bad_per_minute=6, ban_seconds=30)


def test_a_bucket_refills_up_to_its_most() -> None:
    bucket = Bucket(2.0, 4.0, 0.0)
    assert bucket.spend(4, 0.0) == 0
    assert bucket.debt_seconds(0.0) == 0
    assert bucket.spend(1, 0.0) == -1
    assert bucket.debt_seconds(0.0) == 0.5
    assert bucket.debt_seconds(0.5) == 0
    assert bucket.spend(0, 1000.0) == 4


@pytest.mark.parametrize(("size", "free"), [(1, 10 * BURST_SECONDS), (500, 2 * BURST_SECONDS)])
def test_who_sends_more_waits_as_long_as_it_takes(size: int, free: float) -> None:
    account = Account(RATES, 0.0)
    for _ in range(int(free)):
        assert account.pause(0.0) == 0
        account.spend(size, 0.0)
    account.spend(size, 0.0)
    pause = account.pause(0.0)
    assert pause == pytest.approx(1 / (free / BURST_SECONDS))
    assert account.pause(pause) == 0


def test_who_sends_at_its_rate_never_waits() -> None:
    account = Account(RATES, 0.0)
    for number in range(1000):
        assert account.pause(number / 10) == 0
        account.spend(10, number / 10)


def test_who_sends_what_cannot_be_read_once_too_often_is_banned_for_a_while() -> None:
    account = Account(RATES, 0.0)
    assert not any(account.misbehaved(0.0) for _ in range(6))
    assert not account.is_banned(0.0)
    assert account.misbehaved(0.0)
    assert account.is_banned(29.9)
    assert not account.is_banned(30.1)
    assert not account.misbehaved(30.1), "it may try again"


def test_old_accounts_make_room_and_those_that_matter_stay() -> None:
    accounts = Accounts(RATES)
    accounts.of("open", 0.0).connections = 1
    off = accounts.of("off", 0.0)
    while not off.misbehaved(0.0):
        pass
    for number in range(MAX_ACCOUNTS):
        accounts.of(f"key {number}", 1.0)
    assert accounts.known("open") is not None
    assert accounts.known("off") is off
    assert accounts.known("key 0") is None
