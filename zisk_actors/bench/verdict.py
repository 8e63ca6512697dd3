"""What the disk says after a chaos: how often each job ended, and which shares were computed more than once, and why.

Rules of this file:
* The journal is the authority on jobs, the logs of the workers on what was computed.
* A share that was computed again is excused only if whoever computed it first was killed before an answer was written down: then the
  work was in the hands of the killed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from zisk_actors.bench.victims import Start
from zisk_actors.core.job_events import JobEvent, ShareAnswered, Submitted
from zisk_actors.core.kinds import TRANSITIONS
from zisk_actors.core.stages import Stage
from zisk_actors.ids import JobId
from zisk_actors.store.journal import Journal

SLACK_SECONDS: Final = 0.25
"""By how much the times of two processes' lines may be out of order."""

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Computed:
    """A share that a worker says it has computed. `killed_at`: when that start of the worker was killed, 0 where it was not."""

    worker: str
    at: float
    killed_at: float


@dataclass(frozen=True)
class OnDisk:
    """What was found. `redone_unexcused` names shares that were computed again though nobody killed held them."""

    jobs: int
    ended_twice: tuple[str, ...]
    not_ended: tuple[str, ...]
    submitted_twice: tuple[str, ...]
    shares_needed: int
    shares_computed: int
    shares_interrupted: int
    shares_redone: int
    redone_unexcused: tuple[str, ...]


def look(state: Path, starts: Iterable[Start]) -> OnDisk:
    """Read the journal of a coordinator that does not run any more, and the logs of all starts of workers."""
    journal = Journal(state / "journal")
    try:
        jobs = journal.read()
    finally:
        journal.close()
    computed, interrupted = _computed(starts)
    ends = {job: sum(_is_end(event, events[0]) for event in events) for job, events in jobs.items()}
    answers = {(job, event.phase.value, event.share): event for job, event in _answers(jobs)}
    redone, unexcused = 0, []
    for key, answer in answers.items():
        tries = sorted(computed.get(key, []), key=lambda each: each.at)
        used = next((each for each in reversed(tries) if each.worker == answer.worker and each.at <= answer.at + SLACK_SECONDS), None)
        for other in tries:
            if other is not used:
                redone += 1
                if not other.killed_at or other.killed_at > answer.at + SLACK_SECONDS:
                    unexcused.append(f"{key[1]} of share {key[2]} of {key[0]} by {other.worker}, answered by {answer.worker}")
    keys: dict[str, int] = defaultdict(int)
    for events in jobs.values():
        if isinstance(events[0], Submitted):
            keys[events[0].key] += 1
    return OnDisk(
        jobs=len(jobs),
        ended_twice=tuple(job for job, count in ends.items() if count > 1),
        not_ended=tuple(job for job, count in ends.items() if count == 0),
        submitted_twice=tuple(key for key, count in keys.items() if count > 1),
        shares_needed=len(answers),
        shares_computed=sum(len(tries) for tries in computed.values()),
        shares_interrupted=interrupted,
        shares_redone=redone,
        redone_unexcused=tuple(unexcused),
    )


def _is_end(event: JobEvent, first: JobEvent) -> bool:
    kinds = {
        type_ for (kind, _, type_), after in TRANSITIONS.items() if isinstance(first, Submitted) and kind is first.kind and after in _FINAL
    }
    return type(event) in kinds


_FINAL: Final = (Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED)


def _answers(jobs: dict[JobId, list[JobEvent]]) -> Iterable[tuple[JobId, ShareAnswered]]:
    return ((job, event) for job, events in jobs.items() for event in events if isinstance(event, ShareAnswered))


def _computed(starts: Iterable[Start]) -> tuple[dict[Key, list[Computed]], int]:
    """What was computed, by job, phase and share; and how many tasks were begun and neither done nor failed."""
    done: dict[Key, list[Computed]] = defaultdict(list)
    interrupted = 0
    for start in starts:
        open_tasks: set[Key] = set()
        for said in _lines(start.log):
            if str(said.get("event", "")).startswith("task "):
                key = (str(said["job"]), str(said["phase"]), int(str(said["share"])))
                if said["event"] == "task started":
                    open_tasks.add(key)
                else:
                    open_tasks.discard(key)
                if said["event"] == "task completed":
                    at = datetime.fromisoformat(str(said["timestamp"])).timestamp()
                    done[key].append(Computed(start.worker, at, start.killed_at))
        interrupted += len(open_tasks)
    return done, interrupted


def _lines(log: Path) -> Iterable[dict[str, object]]:
    """The lines that are whole; the last one of a killed process may not be."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                yield said
