"""The jobs that wait, in the order in which they are to start: fair between clients, then by priority, then by age.

Rules of this file:
* What was running before a restart comes first, by priority and age. All others wait in lines, one for each client and priority.
* Who stands in a line has a turn: the first takes the turn at which its priority is being served, or the one after the last of its line
  that was served, and each one behind it the next. A priority nobody waited at goes on at the turn that the others have come to.
* Less is sooner: turn - priority * TURNS_PER_PRIORITY, then who was submitted first, then the id. So with equal priority each client gets
  one job in each turn, whatever it has queued; and nobody starves, because those who come later have later turns: the first of a line
  lets at most 1 + TURNS_PER_PRIORITY * n jobs of another line by whose priority is n steps higher.
* Who is taken out without having started gives its turn to those behind it in its line.
* `version` changes with every job that comes or goes.
* The order is kept, not made: taking a job in, starting the next one and asking for a position cost a binary search, not a walk.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from zisk_actors.core.events import Enqueue
from zisk_actors.core.policy import Policy
from zisk_actors.ids import JobId

FEW: Final = 32
"""So many places are changed one by one; more of them by sorting anew."""

_Key = tuple[bool, int, float, JobId]
_Name = tuple[str, int]


@dataclass
class _Line:
    """The jobs of one client and priority that wait, by age; the first of them has turn `turn`."""

    turn: int
    jobs: list[tuple[float, JobId]] = field(default_factory=list)


class Queue:
    """Waiting jobs by their place, which the policy gives. One job stands in it once."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._jobs: dict[JobId, Enqueue] = {}
        self._keys: dict[JobId, _Key] = {}
        self._order: list[_Key] = []
        self._lines: dict[_Name, _Line] = {}
        self._served: dict[_Name, int] = {}
        self._clients: dict[str, int] = {}
        self._turns: dict[int, int] = {}
        self._at: dict[int, int] = {}
        self._latest = 0
        self.version = 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Enqueue]:
        """The jobs in order."""
        return (self._jobs[key[-1]] for key in self._order)

    def __contains__(self, job: object) -> bool:
        return job in self._jobs

    def find(self, job: JobId) -> Enqueue | None:
        return self._jobs.get(job)

    def position(self, job: JobId) -> int | None:
        """How many jobs are before this one; None where it does not wait."""
        key = self._keys.get(job)
        return None if key is None else bisect_left(self._order, key)

    def waiting_of(self, client: str) -> int:
        """How many jobs of a client wait."""
        return self._clients.get(client, 0)

    def enqueue(self, each: Enqueue) -> None:
        """Give a job its place, once."""
        self.remove(each.job)
        self._jobs[each.job] = each
        self._clients[each.client] = self.waiting_of(each.client) + 1
        if each.needs:
            self._place(each, 0)
            return
        name = (each.client, each.priority)
        line = self._lines.get(name) or self._open(name)
        place = bisect_left(line.jobs, (each.submitted_at, each.job))
        line.jobs.insert(place, (each.submitted_at, each.job))
        self._place(each, line.turn + place)
        self._renumber(line, place + 1)

    def ahead_of(self, each: Enqueue) -> Iterator[Enqueue]:
        """The jobs that would be before one that is not in the queue, were it there."""
        name = (each.client, each.priority)
        line = self._lines.get(name) or _Line(self._first_turn(name))
        turn = 0 if each.needs else line.turn + bisect_left(line.jobs, (each.submitted_at, each.job))
        return (self._jobs[key[-1]] for key in self._order[: bisect_left(self._order, self._key(each, turn))])

    def start(self, job: JobId) -> Enqueue | None:
        """Take a job out because its turn has come; None where it does not wait."""
        each = self._jobs.get(job)
        if each is not None and not each.needs:
            name = (each.client, each.priority)
            line = self._lines[name]
            place = bisect_left(line.jobs, (each.submitted_at, job))
            self._turns[each.priority] = max(self._turns[each.priority], line.turn + place)
            self._latest = max(self._latest, line.turn + place)
            line.turn += 1
            self._renumber(line, 0, place)
            self._serve(name, line.turn)
        return self._take(job)

    def remove(self, job: JobId) -> Enqueue | None:
        """Take a job out that will not start; what it was, or None where it does not wait."""
        each = self._jobs.get(job)
        if each is not None and not each.needs:
            line = self._lines[each.client, each.priority]
            place = bisect_left(line.jobs, (each.submitted_at, job))
            self._take(job)
            self._renumber(line, place)
            return each
        return self._take(job)

    def _take(self, job: JobId) -> Enqueue | None:
        each = self._jobs.pop(job, None)
        if each is None:
            return None
        self.version += 1
        del self._order[bisect_left(self._order, self._keys.pop(job))]
        self._clients[each.client] -= 1
        if not self._clients[each.client]:
            del self._clients[each.client]
        if not each.needs:
            name = (each.client, each.priority)
            line = self._lines[name]
            del line.jobs[bisect_left(line.jobs, (each.submitted_at, job))]
            if not line.jobs:
                del self._lines[name]
                self._at[each.priority] -= 1
        return each

    def _open(self, name: _Name) -> _Line:
        _, priority = name
        turn = self._first_turn(name)
        self._turns[priority] = self._turn_at(priority)
        self._at[priority] = self._at.get(priority, 0) + 1
        line = self._lines[name] = _Line(turn)
        return line

    def _first_turn(self, name: _Name) -> int:
        """The turn that the first of a line has which is empty."""
        return max(self._turn_at(name[1]), self._served.get(name, 0))

    def _turn_at(self, priority: int) -> int:
        """The turn at which a priority is being served, or would be if somebody waited at it."""
        turn = self._turns.get(priority, 0)
        return turn if self._at.get(priority) else max(turn, self._latest)

    def _serve(self, name: _Name, turn: int) -> None:
        """Remember the next turn of a line, also when it has become empty; those that have been passed by say nothing any more."""
        self._served[name] = turn
        if len(self._served) > 2 * len(self._lines) + FEW:
            self._served = {name: turn for name, turn in self._served.items() if turn > self._turns[name[1]]}

    def _place(self, each: Enqueue, turn: int) -> None:
        self.version += 1
        self._keys[each.job] = key = self._key(each, turn)
        insort(self._order, key)

    def _renumber(self, line: _Line, first: int, last: int | None = None) -> None:
        """Give those in a line, from one place to before another, the turns that they have now."""
        moved = line.jobs[first:last]
        for place, (_, job) in enumerate(moved, first):
            each, before = self._jobs[job], self._keys[job]
            self._keys[job] = after = self._key(each, line.turn + place)
            if len(moved) <= FEW and after != before:
                del self._order[bisect_left(self._order, before)]
                insort(self._order, after)
        if len(moved) > FEW:
            self._order = sorted(self._keys.values())

    def _key(self, each: Enqueue, turn: int) -> _Key:
        first, order, age = self._policy.order(each.priority, each.submitted_at, bool(each.needs), turn)
        return first, order, age, each.job
