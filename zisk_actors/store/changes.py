"""One transaction on the journal's tables, which keeps the tables' sums.

Rules of this file:
* Nothing has changed before the end of the `with` block, and nothing at all where it is left by an error.
* Whatever changes a table goes through here: what does not is found at the next start.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator

from zisk_actors.store import schema

Row = tuple[str | int | float | bytes, ...]


class Changes:
    """The changes of one transaction; `sums` is what they have made of the tables."""

    def __init__(self, base: sqlite3.Connection, sums: dict[str, tuple[int, int]]) -> None:
        self.base = base
        self.sums = dict(sums)

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        """Write rows that end with their checksums."""
        rows = list(rows)
        if not rows:
            return
        self.base.executemany(schema.insert(table), rows)
        self._count(table, [int(row[-1]) for row in rows], 1)

    def remove(self, table: str, where: str, values: Row) -> int:
        """Remove the rows that a condition names; how many."""
        gone = [crc for (crc,) in self.base.execute(f"select crc from {table} where {where}", values)]
        self.base.execute(f"delete from {table} where {where}", values)
        self._count(table, gone, -1)
        return len(gone)

    def _count(self, table: str, sums: list[int], sign: int) -> None:
        count, total = self.sums[table]
        self.sums[table] = (count + sign * len(sums), total + sign * sum(sums))


@contextlib.contextmanager
def transaction(base: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. Raises what its body raises, and `sqlite3.Error`."""
    base.execute("begin immediate")
    try:
        yield
        base.execute("commit")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a transaction that failed may be over already
            base.execute("rollback")
        raise
