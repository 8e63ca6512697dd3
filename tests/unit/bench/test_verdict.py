"""What is said after a chaos must notice what it is there to notice."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from zisk_actors.bench.verdict import OnDisk, look
from zisk_actors.bench.victims import Start
from zisk_actors.core.job_events import Admitted, Executed, JobEvent, JobFailed, ShareAnswered, Submitted
from zisk_actors.ids import Incarnation, JobId, WorkerId, new_job_id
from zisk_actors.store.journal import Journal
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.values import Failure, FailureKind, Kind, Phase

NOW = 1.8e9
JOB = new_job_id()
BLOB = reference(b"anything")


def submitted(job: JobId = JOB, key: str = "key") -> Submitted:
    return Submitted(at=NOW, job=job, kind=Kind.EXECUTE, program=BLOB, stdin=BLOB, params="test", client="c", key=key)


def answered(worker: str, at: float) -> ShareAnswered:
    return ShareAnswered(at, Phase.EXECUTE, 0, WorkerId(worker), Incarnation("0" * 32), BLOB)


def verdict(folder: Path, events: list[JobEvent], starts: list[tuple[str, float, float, float]], more: tuple[JobEvent, ...] = ()) -> OnDisk:
    """`starts`: worker, when it began and completed the share (0: it did not), and when it was killed."""
    journal = Journal(folder / "journal")
    journal.append([(JOB, event) for event in events] + [(event.job, event) for event in more if isinstance(event, Submitted)])
    journal.close()
    made = []
    for number, (worker, began, completed, killed) in enumerate(starts):
        log = folder / f"{number}.log"
        said = [("task started", began), ("task completed", completed)]
        lines = [
            json.dumps(
                {"event": event, "job": JOB, "phase": "execute", "share": 0, "timestamp": datetime.fromtimestamp(at, UTC).isoformat()}
            )
            for event, at in said
            if at
        ]
        log.write_text("\n".join([*lines, '{"event": "task sta']))
        made.append(Start(worker, log, subprocess.Popen(["true"]), killed))
        made[-1].process.wait()
    return look(folder, made)


def whole(worker: str, at: float) -> list[JobEvent]:
    return [submitted(), Admitted(NOW, (10,)), answered(worker, at), Executed(at, BLOB)]


def test_work_that_died_with_its_worker_is_excused(tmp_path: Path) -> None:
    found = verdict(tmp_path, whole("b", NOW + 9), [("a", NOW + 1, NOW + 2, NOW + 3), ("b", NOW + 5, NOW + 8, 0)])
    assert (found.shares_needed, found.shares_computed, found.shares_redone, found.redone_unexcused) == (1, 2, 1, ())


def test_work_that_was_thrown_away_is_not_excused(tmp_path: Path) -> None:
    found = verdict(tmp_path, whole("b", NOW + 9), [("a", NOW + 1, NOW + 2, 0), ("b", NOW + 5, NOW + 8, 0)])
    assert len(found.redone_unexcused) == 1


def test_a_kill_after_the_answer_excuses_nothing(tmp_path: Path) -> None:
    found = verdict(tmp_path, whole("b", NOW + 9), [("a", NOW + 1, NOW + 2, NOW + 20), ("b", NOW + 5, NOW + 8, 0)])
    assert len(found.redone_unexcused) == 1


def test_what_was_begun_and_not_done_is_counted_apart(tmp_path: Path) -> None:
    found = verdict(tmp_path, whole("b", NOW + 9), [("a", NOW + 1, 0, NOW + 2), ("b", NOW + 5, NOW + 8, 0)])
    assert (found.shares_interrupted, found.shares_redone) == (1, 0)


def test_a_second_end_and_a_missing_end_and_a_second_job_of_a_key_are_seen(tmp_path: Path) -> None:
    failure = Failure(kind=FailureKind.WORKER, code="worker-lost", message="gone")
    other = submitted(new_job_id())
    found = verdict(tmp_path, [*whole("b", NOW + 9), JobFailed(NOW + 10, failure)], [("b", NOW + 5, NOW + 8, 0)], (other,))
    assert found.ended_twice == (JOB,)
    assert found.not_ended == (other.job,)
    assert found.submitted_twice == ("key",)
