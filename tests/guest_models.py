"""What each guest program should output, said again in Python: the oracle for emulators and proofs.

A case is a guest's name, its input as the raw stdin bytes, its exit code, and the bytes at the start of its public output (zeros follow).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

MASK = 2**64 - 1


@dataclass(frozen=True)
class Case:
    guest: str
    stdin: bytes
    exit_code: int
    output: bytes

    @property
    def words(self) -> list[int]:
        """The 64 words of public output."""
        return list(struct.unpack("<64I", self.output.ljust(256, b"\0")))

    def __str__(self) -> str:
        return f"{self.guest}-{len(self.stdin)}"


def record(content: bytes) -> bytes:
    """One length-prefixed record, padded to a multiple of 8."""
    return len(content).to_bytes(8, "little") + content + bytes(-len(content) % 8)


def u64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *(value & MASK for value in values))


def fold(values: Sequence[int]) -> int:
    result = 0
    for value in values:
        result = (result * 31 + value) & MASK
    return result


def fibonacci(n: int) -> Case:
    current, following = 0, 1
    for _ in range(n):
        current, following = following, (current + following) & MASK
    return Case("fibonacci", record(u64(n)), 0, u64(n, current, following))


def sha256(message: bytes) -> Case:
    return Case("sha256", record(message), 0, hashlib.sha256(message).digest())


def quicksort(numbers: Sequence[int]) -> Case:
    ordered = sorted(numbers)
    n = len(ordered)
    middle = (ordered[0], ordered[n // 2], ordered[-1]) if n else (0, 0, 0)
    return Case("quicksort", record(u64(*numbers)), 0, u64(n, *middle, fold(ordered)))


def xorshift(seed: int, count: int) -> list[int]:
    values = []
    for _ in range(count):
        seed ^= seed << 13 & MASK
        seed ^= seed >> 7
        seed ^= seed << 17 & MASK
        values.append(seed)
    return values


def matrix(n: int, seed: int) -> Case:
    stdin = record(u64(n)) + record(u64(seed))
    if not 1 <= n <= 64 or seed == 0:
        return Case("matrix", stdin, 2, b"")
    entries = xorshift(seed, 2 * n * n)
    a, b = entries[: n * n], entries[n * n :]

    def product(mask: int) -> list[int]:
        return [sum((a[i * n + k] & mask) * (b[k * n + j] & mask) for k in range(n)) & mask for i in range(n) for j in range(n)]

    whole, half = product(MASK), product(2**32 - 1)
    trace = [sum(values[i * n + i] for i in range(n)) for values in (whole, half)]
    return Case("matrix", stdin, 0, u64(n, trace[0], fold(whole), trace[1] & (2**32 - 1), fold(half)))


def trap(way: int) -> Case:
    """Only the ways that end regularly: 0, and those above 10."""
    return Case("trap", record(bytes([way])), 42 if way else 0, u64(11) if way else b"")


def short_cases() -> list[Case]:
    """Some of each, a few thousand steps at most. The seed is fixed: these are examples, not a search."""
    random = Random(2026)
    return [
        *(fibonacci(n) for n in (0, 1, 93, 94, 200)),
        *(sha256(random.randbytes(n)) for n in (0, 1, 55, 56, 64, 119, 120)),
        *(quicksort([random.getrandbits(64) for _ in range(n)]) for n in (0, 1, 2, 13, 60)),
        quicksort([5] * 40),
        quicksort(range(40)),
        *(matrix(n, seed) for n, seed in ((1, 1), (3, 2**63), (8, 77), (0, 1), (65, 1), (4, 0))),
        trap(0),
        trap(11),
    ]
