"""What a job fails with that its shares have failed: which share, in which phase, what was tried before, and who the last one was.

Rule of this file: a failure lists every attempt that came to nothing, also those that could not be written down (`unwritten`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from zisk_actors.actors.dispatch.tasks import ShareLost
from zisk_actors.core.budget import attempts, tally
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import ShareFailed
from zisk_actors.ids import WorkerId
from zisk_actors.wire.values import Failure, FailureKind, Phase

MOST_NAMED: Final = 20
"""Shares that are missing and named."""


class SharesTooLarge(Exception):
    """The shares of a job are too large for every worker that there is. Carries the weights of smaller ones."""

    def __init__(self, failure: Failure, weights: tuple[int, ...]) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.weights = weights


def share_failure(record: JobRecord, unwritten: tuple[ShareFailed, ...], phase: Phase, share: int, lost: ShareLost | None) -> Failure:
    """The job's failure, from the last failure of one of its shares: typed as that one, and naming the worker where it was the worker's."""
    own = lost.failure if lost is not None else None
    listed = attempts(record, unwritten)
    before = [each for each in listed if each.share == share and each.phase is phase]
    faulty = any(fault.attempt.share == share and fault.attempt.phase is phase for fault in record.faults)
    if lost is None or lost.worker is None:
        worker, reason = (before[-1].worker, before[-1].reason) if before else (None, "")
        if lost is not None:
            reason = lost.reason + (f"; before that: {reason}" if reason else "")
    else:
        worker, reason = lost.worker, lost.reason
    who = f"worker {worker}: " if worker is not None and worker not in reason else ""
    so_far = tally(record, unwritten, phase, share)
    message = f"share {share} failed in {phase.value} after {so_far}, the last one: {who}{reason}"
    kind, code = (FailureKind.WORKER, "worker-lost") if own is None else (own.kind, own.code)
    if faulty and own is None and (lost is None or lost.worker is None):
        proves = phase not in (Phase.SETUP, Phase.EXECUTE)
        kind, code = (FailureKind.PROOF, "proof-invalid") if proves else (FailureKind.WORKER, "false-report")
    hint = own.hint if own is not None else ""
    return Failure(kind=kind, code=code, message=message[:4000], hint=hint, phase=phase, attempts=listed)


def phase_timeout(
    record: JobRecord,
    unwritten: tuple[ShareFailed, ...],
    phase: Phase,
    share: int,
    *,
    slow: Mapping[WorkerId, float],
    missing: Sequence[int],
    elapsed_seconds: float,
    limit_seconds: float,
) -> Failure:
    """The failure of a phase that is over its limit because of a share; `slow` is who is at that share, and for how many seconds."""
    listed = attempts(record, unwritten)
    workers = ", ".join(f"worker {worker} has been at it for {seconds:g} s" for worker, seconds in slow.items())
    words = (
        f"phase timeout: {phase.value} of job {record.job} has not ended after {elapsed_seconds:g} s; share {share} is over the limit of "
        f"{limit_seconds:g} s: {workers or 'no worker has it'}; shares missing: {list(missing[:MOST_NAMED])}"
    )
    before = [one for one in listed if one.share == share and one.phase is phase]
    if before:
        words += "; attempts before: " + "; ".join(f"worker {one.worker}: {one.reason}" for one in before)
    return Failure(
        kind=FailureKind.TIMEOUT, code="phase-timeout", message=words[:4000], phase=phase, limit_seconds=limit_seconds, attempts=listed
    )
