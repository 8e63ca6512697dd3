"""Which jobs a list has: filters, the newest first, and a cursor for the rest.

Rules of this file:
* A cursor names the last job that was given; jobs that come or go in the meantime move no others in or out of what is still to come.
* The cheap filters come first. What needs a job's record is asked of `LOOKS` jobs at most for one part of the list, so that nobody waits
  for it; the cursor goes on behind the last that was looked at, and a part may be shorter than was asked for.
* A filter that no job could ever pass is refused, not answered with nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.errors import UsageError
from zisk_actors.store.rows import Past
from zisk_actors.wire.client_link import ListJobs
from zisk_actors.wire.values import Kind, State

LOOKS: Final = 1000


class BadFilter(UsageError):
    """A filter of a list makes no sense."""

    code = "bad-filter"


def choose(asked: ListJobs, entries: Iterable[JobEntry], program_name: Callable[[str], str], client: str) -> tuple[list[JobEntry], str]:
    """The jobs of one part of a list, and the cursor of the rest, empty where there is none. Raises `BadFilter`."""
    for value, kind, what in ((asked.state, State, "state"), (asked.kind, Kind, "kind")):
        known = [each.value for each in kind]
        if value and value not in known:
            raise BadFilter(f"no job has the {what} {value[:40]!r}", hint=f"there are {', '.join(known)}")
    deep = bool(asked.kind or asked.program or asked.name)
    count = LOOKS if deep else asked.limit
    looked = heapq.nsmallest(count + 1, _passing(asked, entries, client), key=_place)
    found: list[JobEntry] = []
    for number, entry in enumerate(looked):
        if number == count or len(found) == asked.limit:
            last = looked[number - 1]
            return found, f"{last.submitted_at!r}/{last.job}"
        if not deep or _fits(asked, entry, program_name):
            found.append(entry)
    return found, ""


def _passing(asked: ListJobs, entries: Iterable[JobEntry], client: str) -> Iterator[JobEntry]:
    """What can be told without a job's record."""
    after = _place_of(asked.after) if asked.after else None
    for entry in entries:
        if asked.state not in ("", entry.state.value) or entry.submitted_at < asked.since or (asked.mine and entry.client != client):
            continue
        if after is None or _place(entry) > after:
            yield entry


def _fits(asked: ListJobs, entry: JobEntry, program_name: Callable[[str], str]) -> bool:
    """What needs the record: read for the moment, where the job had ended before our start."""
    request = (entry.known.record() if isinstance(entry.known, Past) else entry.known).submitted
    program = request.program.sha256
    if asked.kind not in ("", request.kind.value) or asked.name not in ("", request.name):
        return False
    return not asked.program or program.startswith(asked.program) or asked.program == program_name(program)


def _place(entry: JobEntry) -> tuple[float, str]:
    return (-entry.submitted_at, entry.job)


def _place_of(cursor: str) -> tuple[float, str]:
    at, _, job = cursor.partition("/")
    try:
        return (-float(at), job)
    except ValueError:
        raise BadFilter(f"{cursor[:60]!r} is no cursor of a list", hint="begin again without one") from None
