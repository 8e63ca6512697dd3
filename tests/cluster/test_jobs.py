"""Jobs of each kind, on real processes, with the fake prover."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.cluster.conftest import Start
from zisk_actors.client.errors import ClusterRefused, JobFailure
from zisk_actors.errors import JobCancelled
from zisk_actors.wire.values import FailureKind, Kind, Phase, State

ELF = b"\x7fELF the program"

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_proof_is_cut_over_both_workers_and_verified(start: Start) -> None:
    with start(workers=2).connect() as client:
        assert {worker.worker for worker in client.workers()} == {"worker-1", "worker-2"}
        job = client.submit(Kind.PROVE, ELF, stdin=b"sleep=0.2", params="test", name="it")
        seen = list(client.watch(job))
        last = seen[-1]
        assert last.state is State.COMPLETED
        assert last.verified is not None
        assert last.verified.shares == 2
        phases = [status.phase for status in seen if status.phase is not None]
        assert list(dict.fromkeys(phases)) == [Phase.CONTRIBUTE, Phase.PROVE, Phase.AGGREGATE, Phase.VERIFY]
        percents = [status.percent for status in seen]
        assert percents == sorted(percents)
        assert last.percent == 100
        workers = {share.worker for status in seen for share in status.shares}
        assert workers == {"worker-1", "worker-2"}
        assert json.loads(client.result(job))["shares"] == 2
        assert client.job(job[:8]).job == job
        assert [status.job for status in client.jobs()] == [job]
        assert [(program.name, sorted(program.keys)) for program in client.programs()] == [("it", ["test"])]


def test_execute_setup_and_programs(start: Start) -> None:
    with start(workers=2).connect() as client:
        run = client.execution(client.submit(Kind.EXECUTE, ELF, stdin=b"abc", params="test"))
        words = b"".join(word.to_bytes(4, "little") for word in run.output[:8])
        assert words == hashlib.sha256(b"abc").digest()
        assert run.console == b"hello from the guest\n"
        added = client.add_program(b"\x7fELF other", name="other")
        assert added.name == "other"
        job = client.setup(b"\x7fELF other", params="100")
        key = client.result(job)
        status = client.job(job)
        assert status.key is not None
        assert client.fetch(status.key) == key
        assert {program.name: sorted(program.keys) for program in client.programs()}["other"] == ["100"]


def test_the_same_key_is_the_same_job(start: Start) -> None:
    with start(workers=1).connect() as client:
        first = client.submit(Kind.EXECUTE, ELF, stdin=b"a", key="block-1")
        assert client.submit(Kind.EXECUTE, ELF, stdin=b"a", key="block-1") == first
        assert client.submit(Kind.EXECUTE, ELF, stdin=b"a", key="block-2") != first


def test_a_guest_that_traps_fails_its_job_at_once_with_all_that_is_known(start: Start) -> None:
    with start(workers=2).connect() as client:
        for kind in (Kind.PROVE, Kind.EXECUTE):
            with pytest.raises(JobFailure) as caught:
                client.result(client.submit(kind, ELF, stdin=b"trap", params="test"))
            failure = caught.value.failure
            assert failure.kind is FailureKind.GUEST
            assert failure.code == "guest-trapped"
            assert caught.value.exit_code == 4
            assert failure.trap is not None
            assert (failure.trap.pc, failure.trap.symbol, failure.trap.address) == (0x80000010, "main", 0x10)
            assert failure.attempts == ()
        assert client.result(client.submit(Kind.PROVE, ELF, params="test"))


def test_a_bad_program_is_refused_with_its_own_code_and_the_cluster_goes_on(start: Start) -> None:
    with start(workers=2).connect() as client:
        for kind in (Kind.PROVE, Kind.EXECUTE, Kind.SETUP):
            with pytest.raises(JobFailure, match="no ELF") as caught:
                client.result(client.submit(kind, b"#!/bin/sh", params="test"))
            assert caught.value.code == "elf-machine"
            assert caught.value.exit_code == 2
            assert caught.value.hint
        assert client.result(client.submit(Kind.EXECUTE, ELF))


def test_unknown_jobs_have_the_manuals_name(start: Start) -> None:
    with start(workers=1).connect() as client:
        with pytest.raises(ClusterRefused) as caught:
            client.job("00000000-0000-4000-8000-000000000000")
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("JOB_NOT_FOUND", 1001, 3)


def test_cancel_stops_the_computing_and_the_next_job_runs(start: Start) -> None:
    with start(workers=2).connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=b"hang=0", params="test")
        queued = client.submit(Kind.EXECUTE, ELF)
        for status in client.watch(job):
            if status.shares:
                break
        waiting = client.job(queued)
        assert waiting.state is State.QUEUED
        assert waiting.position == 0
        assert "free worker" in waiting.waiting_for
        cancelled, status = client.cancel(job)
        assert cancelled
        assert status.state is State.CANCELLED
        with pytest.raises(JobCancelled):
            client.result(job)
        assert client.wait(queued, seconds=20).state is State.COMPLETED
        assert client.cancel(job)[0] is False
        second = client.submit(Kind.PROVE, ELF, stdin=b"hang=0", params="test")
        third = client.submit(Kind.PROVE, ELF, stdin=b"", params="test")
        assert client.cancel(third)[0]
        assert client.cancel(second)[0]


def test_many_jobs_one_after_the_other(start: Start) -> None:
    with start(workers=2).connect() as client:
        jobs = [client.submit(Kind.EXECUTE, ELF, stdin=b"%d" % number) for number in range(20)]
        assert all(client.wait(job, seconds=60).state is State.COMPLETED for job in jobs)
        assert [status.job for status in client.jobs(limit=5)] == jobs[:-6:-1]
