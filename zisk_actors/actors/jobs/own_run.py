"""What a job's program does on its input by our own execution, in which no worker has a hand.

Rules of this file:
* It goes on beside the job's phases, in the child of a device of its own, and delays none of them; who needs the outcome waits for it.
* A run that is longer than the setting allows, or that cannot be had here, is unknown; why, is said in words.
* Nothing of it is kept: after a restart of the coordinator it is done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.device import CallFailed, ComputeDevice
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.core.job import JobRecord
from zisk_actors.errors import BeyondBudget
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.compute import ExecuteCall
from zisk_actors.wire.values import ExecutionReport, Failure, FailureKind, Kind

RUN_SECONDS: Final = 600.0
RUN_TRIES: Final = 3


@dataclass(frozen=True)
class RunOutcome:
    """What our own device has found: the `report` of the run, the guest's `failure` where the run trapped or the program cannot be loaded,
    or why nothing is known (`unknown`). All empty: there is nothing to run, and nothing is wrong with the program."""

    report: ExecutionReport | None = None
    failure: Failure | None = None
    unknown: str = ""


class OwnRun:
    """One job's run by us. `run` is its life; `steps` is its budget, 0 for none. The `device` is asked for nothing else."""

    def __init__(self, record: JobRecord, device: ComputeDevice, store: BlobStore, programs: Programs, steps: int) -> None:
        self._record = record
        self._device = device
        self._store = store
        self._programs = programs
        self._steps = steps
        self._outcome: RunOutcome | None = None
        self._found = trio.Event()
        self._scope = trio.CancelScope()
        self._log = log.get(job=record.job)

    async def run(self) -> None:
        """Find the outcome, unless stopped before."""
        with self._scope:
            outcome = self._outcome = await (self._load() if self._record.kind is Kind.SETUP else self._execute())
            self._found.set()
            found = outcome.failure.code if outcome.failure is not None else outcome.unknown or "halts"
            self._log.info("own run of the job", steps=outcome.report.steps if outcome.report is not None else None, outcome=found)

    def stop(self) -> None:
        """Nobody needs the outcome any more."""
        self._scope.cancel()

    async def outcome(self) -> RunOutcome:
        """What has been found, as soon as it is."""
        await self._found.wait()
        if self._outcome is None:
            raise AssertionError("what is found is there")
        return self._outcome

    async def failure(self) -> Failure | None:
        """Why the guest fails by our own devices, also where it cannot be loaded to be proved; None where it does not, or may not."""
        outcome = await self.outcome()
        if outcome.failure is not None or self._record.kind is not Kind.PROVE:
            return outcome.failure
        return (await self._load()).failure

    async def _execute(self) -> RunOutcome:
        request, stdin = self._record.submitted, self._record.stdin
        if not self._steps:
            return RunOutcome(unknown="coordinator.check_execution_steps is 0")
        if stdin is None:
            raise AssertionError("a job that runs has its input")
        call = ExecuteCall(str(self._store.path(request.program.sha256)), str(self._store.path(stdin.sha256)), self._steps)
        tries = 0
        while True:
            tries += 1
            try:
                done = await self._device.call(call, seconds=RUN_SECONDS)
            except CallFailed as error:
                found = error.failure
                if found.kind is FailureKind.GUEST:
                    return RunOutcome(failure=found)
                if found.code == BeyondBudget.code:
                    return RunOutcome(unknown=found.message)
                if tries == RUN_TRIES or found.kind is FailureKind.TIMEOUT:
                    self._log.warning("a job cannot be run here, and its workers not be held to what it does", error=found.message)
                    return RunOutcome(unknown=f"the coordinator cannot run it: {found.message}")
            else:
                return RunOutcome(decode_record(done.content, ExecutionReport), done.trapped)

    async def _load(self) -> RunOutcome:
        """Whether the program is one that can be proved; its key is derived for that."""
        request = self._record.submitted
        try:
            await self._programs.key_of(request.program, request.params)
        except CallFailed as error:
            if error.failure.kind is FailureKind.GUEST:
                return RunOutcome(failure=error.failure)
            return RunOutcome(unknown=f"the coordinator cannot derive its key: {error.message}")
        except StoreUnwritable as error:
            return RunOutcome(unknown=f"the coordinator cannot keep its key: {error.message}")
        return RunOutcome()
