"""What each key has sent lately, and when it is enough. Pure: the time comes in.

Rules of this file:
* A key that sends faster than it may is throttled, and nobody else is: its next message is read when its account is out of debt.
* Messages that are none have an account of their own. When that is empty the key is banned: its link is cut, and it may come back
  later. Other links of that key stay as long as what they send can be read.
* Only authenticated keys have accounts, so that there are no more of them than lines in the allow-list, and those of old.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

BURST_SECONDS: Final = 2.0
"""A key that was silent may send so many seconds' worth at once."""
MAX_ACCOUNTS: Final = 10_000


@dataclass(frozen=True)
class KeyRates:
    """What one key may do at one port."""

    messages_per_second: float = 5000
    bytes_per_second: float = 512 * 1024**2
    bad_per_minute: float = 20
    """Messages that cannot be read."""
    ban_seconds: float = 30


class Bucket:
    """A token bucket that may go into debt."""

    def __init__(self, rate: float, most: float, now: float) -> None:
        self._rate = rate
        self._most = most
        self._left = most
        self._at = now

    def spend(self, amount: float, now: float) -> float:
        """Take so much; what is left, less than nothing in debt."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate) - amount
        self._at = now
        return self._left

    def debt_seconds(self, now: float) -> float:
        """How long until it is out of debt."""
        return max(0.0, -self._left / self._rate - (now - self._at))


@dataclass
class Account:
    """One key's."""

    rates: KeyRates
    now: float
    connections: int = 0
    held_bytes: int = 0
    """How much of what it sent waits to be read."""
    banned_until: float = -float("inf")
    _messages: Bucket = field(init=False)
    _bytes: Bucket = field(init=False)
    _bad: Bucket = field(init=False)

    def __post_init__(self) -> None:
        rates = self.rates
        self._messages = Bucket(rates.messages_per_second, rates.messages_per_second * BURST_SECONDS, self.now)
        self._bytes = Bucket(rates.bytes_per_second, rates.bytes_per_second * BURST_SECONDS, self.now)
        self._bad = Bucket(rates.bad_per_minute / 60, rates.bad_per_minute, self.now)

    def spend(self, size: int, now: float) -> None:
        """A message of that size was read."""
        self._messages.spend(1, now)
        self._bytes.spend(size, now)

    def pause(self, now: float) -> float:
        """How many seconds its next message waits."""
        return max(self._messages.debt_seconds(now), self._bytes.debt_seconds(now))

    def misbehaved(self, now: float) -> bool:
        """It sent what cannot be read; whether that was once too often, and it is banned."""
        if self._bad.spend(1, now) >= 0:
            return False
        self.banned_until = now + self.rates.ban_seconds
        return True

    def is_banned(self, now: float) -> bool:
        return now < self.banned_until


class Accounts:
    """Those of all keys at one port."""

    def __init__(self, rates: KeyRates) -> None:
        self._rates = rates
        self._of: dict[str, Account] = {}

    def of(self, key: str, now: float) -> Account:
        """The account of a key, new where it has none."""
        account = self._of.get(key)
        if account is None:
            if len(self._of) >= MAX_ACCOUNTS:
                self._of = {each: kept for each, kept in self._of.items() if kept.connections or kept.is_banned(now)}
            account = self._of[key] = Account(self._rates, now)
        return account

    def known(self, key: str) -> Account | None:
        return self._of.get(key)
