"""Queue, leases and losses: what the scheduler decides, without a loop or a clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zisk_actors.core import events
from zisk_actors.core import scheduler as core
from zisk_actors.core.policy import Policy
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, Lease

A, B, C = WorkerId("a"), WorkerId("b"), WorkerId("c")
ONE, TWO, THREE = JobId("job-1"), JobId("job-2"), JobId("job-3")


def start_of(worker: WorkerId, number: int = 1) -> Incarnation:
    return Incarnation(f"{worker}{number}")


@pytest.fixture
def policy() -> Policy:
    """What the scheduler of a test chooses by; a test that wants another sets its own."""
    return Policy()


@pytest.fixture
def scheduler(policy: Policy) -> Iterator[core.Scheduler]:
    """Checks on the way out that the state is one that can be: leases of connected workers only, one job for each worker."""
    it = core.Scheduler(heartbeat_seconds=1, max_missed=3, policy=policy)
    yield it
    for job, crew in it.crews.items():
        for share, lease in crew.leases.items():
            assert it.registry.find(lease.worker, lease.incarnation) is not None
            assert (lease.job, lease.share) == (job, share)
    for worker in it.registry.records:
        assert len(it.jobs_of(worker)) <= 1


def join(scheduler: core.Scheduler, *workers: WorkerId, units: int = 10, now: float = 0.0) -> list[events.Effect]:
    return [effect for worker in workers for effect in scheduler.handle(events.Joined(worker, start_of(worker), units), now)]


def enqueue(job: JobId, kind: Kind = Kind.PROVE, *, at: float = 0.0, priority: int = 0, **more: tuple[int, ...]) -> events.Enqueue:
    return events.Enqueue(job, kind, priority, at, **more)


def admits(effects: list[events.Effect]) -> list[events.Admit]:
    return [effect for effect in effects if isinstance(effect, events.Admit)]


def granted(effects: list[events.Effect]) -> list[Lease]:
    return [effect.lease for effect in effects if isinstance(effect, events.Granted)]


def test_a_job_takes_all_free_workers_and_is_cut_by_their_units(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Joined(A, start_of(A), 10), 0)
    scheduler.handle(events.Joined(B, start_of(B), 30), 0)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    assert admit.weights == (30, 10)
    assert [(lease.share, lease.worker, lease.attempt) for lease in admit.leases] == [(0, B, 1), (1, A, 1)]


def test_an_execution_takes_one_worker_and_leaves_the_other(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (first,) = admits(scheduler.handle(enqueue(ONE, Kind.EXECUTE), 0))
    (second,) = admits(scheduler.handle(enqueue(TWO, Kind.EXECUTE), 0))
    assert {first.leases[0].worker, second.leases[0].worker} == {A, B}


def test_a_job_waits_for_a_worker_and_says_so(scheduler: core.Scheduler) -> None:
    assert scheduler.handle(enqueue(ONE), 0) == []
    assert scheduler.waiting(ONE) == (0, "no worker is connected", 1, 0, 0)
    effects = join(scheduler, A)
    assert len(admits(effects)) == 1
    assert scheduler.waiting(ONE) is None
    scheduler.handle(enqueue(TWO), 0)
    waiting = scheduler.waiting(TWO)
    assert waiting is not None
    assert waiting[0] == 0
    assert "0 free of 10" in waiting[1]
    (admit,) = admits(scheduler.handle(events.Ended(ONE), 1))
    assert admit.job == TWO


def test_priority_goes_before_age_and_age_before_nothing(scheduler: core.Scheduler) -> None:
    scheduler.handle(enqueue(ONE, at=1.0), 1)
    scheduler.handle(enqueue(TWO, at=2.0), 2)
    scheduler.handle(enqueue(THREE, at=3.0, priority=5), 3)
    assert [each.job for each in scheduler.queue] == [THREE, ONE, TWO]


@pytest.mark.parametrize("policy", [Policy(max_workers_per_job=1)])
def test_no_more_workers_than_the_limit(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    assert len(admit.leases) == 1
    assert len(admits(scheduler.handle(enqueue(TWO), 0))) == 1


def test_a_lost_worker_revokes_its_lease_and_the_share_goes_to_a_free_one(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    join(scheduler, C)
    lost = admit.leases[1]
    effects = scheduler.handle(events.Left(lost.worker, lost.incarnation, "gone"), 1)
    assert [effect.lease for effect in effects if isinstance(effect, events.Revoked)] == [lost]
    assert not scheduler.holds(lost)
    (lease,) = granted(scheduler.handle(events.Wanted(ONE, lost.share), 1))
    assert (lease.worker, lease.share, lease.attempt) == (C, lost.share, 2)


def test_without_a_free_worker_a_share_goes_to_one_of_the_same_job(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    scheduler.handle(events.Left(B, start_of(B), "gone"), 1)
    lost = next(lease for lease in admit.leases if lease.worker == B)
    (lease,) = granted(scheduler.handle(events.Wanted(ONE, lost.share), 1))
    assert lease.worker == A
    assert len(scheduler.crews[ONE].leases) == 2


def test_never_to_a_worker_of_another_job(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (first,) = admits(scheduler.handle(enqueue(ONE, Kind.EXECUTE), 0))
    scheduler.handle(enqueue(TWO, Kind.EXECUTE), 0)
    lease = first.leases[0]
    scheduler.handle(events.Left(lease.worker, lease.incarnation, "gone"), 1)
    assert granted(scheduler.handle(events.Wanted(ONE, 0), 1)) == []
    (late,) = granted(scheduler.handle(events.Ended(TWO), 2))
    assert late.job == ONE


def test_who_failed_at_a_share_gets_it_again_only_if_nobody_else_can(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    failed = admit.leases[0]
    scheduler.handle(events.GaveUp(failed), 1)
    assert not scheduler.holds(failed)
    (second,) = granted(scheduler.handle(events.Wanted(ONE, 0), 1))
    assert second.worker != failed.worker
    scheduler.handle(events.GaveUp(second), 2)
    (third,) = granted(scheduler.handle(events.Wanted(ONE, 0), 2))
    assert third.attempt == 3


def test_who_failed_at_a_share_does_not_get_it_again_while_somebody_else_may_be_free_soon(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE, Kind.EXECUTE), 0))
    (other,) = admits(scheduler.handle(enqueue(TWO, Kind.EXECUTE), 0))
    failed = admit.leases[0]
    scheduler.handle(events.GaveUp(failed), 1)
    wanted = events.Wanted(ONE, 0, patient_until=5)
    assert granted(scheduler.handle(wanted, 1)) == []
    assert granted(scheduler.handle(events.Tick(0), 2)) == []
    (lease,) = granted(scheduler.handle(events.Ended(TWO), 2.5))
    assert lease.worker == other.leases[0].worker
    scheduler.handle(events.GaveUp(lease), 2.6)
    (third,) = granted(scheduler.handle(wanted, 2.7))  # nobody else is there
    assert third.attempt == 3


def test_patience_with_those_who_are_busy_has_an_end(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE, Kind.EXECUTE), 0))
    scheduler.handle(enqueue(TWO, Kind.EXECUTE), 0)
    scheduler.handle(events.GaveUp(admit.leases[0]), 1)
    assert granted(scheduler.handle(events.Wanted(ONE, 0, patient_until=30), 1)) == []
    join(scheduler, A, B, now=29)  # both are well, one is busy
    (lease,) = granted(scheduler.handle(events.Tick(0), 31))
    assert lease.worker == admit.leases[0].worker


def test_a_share_goes_to_none_of_those_who_are_never_to_have_it(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    scheduler.handle(events.GaveUp(admit.leases[0]), 1)
    assert granted(scheduler.handle(events.Wanted(ONE, 0, prefer=A, never=frozenset({A, B})), 1)) == []
    (lease,) = granted(join(scheduler, C, now=2))
    assert lease.worker == C


def test_a_wanted_share_is_granted_when_somebody_joins(scheduler: core.Scheduler) -> None:
    join(scheduler, A)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    scheduler.handle(events.Left(A, start_of(A), "gone"), 1)
    assert granted(scheduler.handle(events.Wanted(ONE, 0), 1)) == []
    (lease,) = granted(join(scheduler, B, now=2))
    assert lease == Lease(B, start_of(B), ONE, 0, 2)
    assert admit.leases[0] != lease


def test_a_share_that_nobody_waits_for_any_more_is_granted_to_nobody(scheduler: core.Scheduler) -> None:
    join(scheduler, A)
    scheduler.handle(enqueue(ONE), 0)
    scheduler.handle(events.Left(A, start_of(A), "gone"), 1)
    scheduler.handle(events.Wanted(ONE, 0), 1)
    scheduler.handle(events.Unwanted(ONE, 0), 1)
    assert granted(join(scheduler, B, now=2)) == []
    scheduler.handle(events.Unwanted(ONE, 0), 2)
    scheduler.handle(events.Ended(ONE), 3)


def test_the_aggregate_goes_to_who_is_preferred(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B, C)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    for lease in admit.leases:
        if lease.worker != B:
            scheduler.handle(events.Finished(lease), 1)
    (lease,) = granted(scheduler.handle(events.Wanted(ONE, 3, prefer=B), 1))
    assert lease.worker == B
    (other,) = admits(scheduler.handle(enqueue(TWO), 2))
    assert {each.worker for each in other.leases} == {A, C}


def test_a_restarted_worker_is_not_the_old_one(scheduler: core.Scheduler) -> None:
    join(scheduler, A)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    scheduler.handle(events.Left(A, start_of(A), "gone"), 1)
    scheduler.handle(events.Joined(A, start_of(A, 2), 10), 2)
    assert not scheduler.holds(admit.leases[0])
    scheduler.handle(events.Left(A, start_of(A), "the old start, again"), 3)
    assert scheduler.registry.find(A, start_of(A, 2)) is not None


def test_silence_makes_a_suspect_without_work_and_then_a_loss(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    scheduler.handle(events.Heard(B, start_of(B)), 2.5)
    assert scheduler.handle(events.Tick(), 2.5) == []
    assert [record.worker for record in scheduler.registry.ready()] == [B]
    effects = scheduler.handle(events.Tick(), 3.5)
    assert [effect.record.worker for effect in effects if isinstance(effect, events.Lost)] == [A]
    assert [effect.lease.worker for effect in effects if isinstance(effect, events.Revoked)] == [A]
    assert len(admit.leases) == 2


def test_our_own_lateness_is_nobodys_silence(scheduler: core.Scheduler) -> None:
    join(scheduler, A)
    assert scheduler.handle(events.Tick(late_seconds=9.0), 10.0) == []
    assert scheduler.registry.find(A, start_of(A)) is not None


def test_a_job_of_before_a_restart_keeps_its_cut_and_goes_first(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Restarted(2.0), 0.0)
    scheduler.handle(enqueue(ONE, at=0.0, priority=100), 0)
    scheduler.handle(enqueue(TWO, at=1.0, weights=(10, 20, 10), needs=(0, 1, 2)), 0)
    assert admits(join(scheduler, A, B)) == []
    (admit,) = admits(scheduler.handle(events.Tick(), 2.0))
    assert admit.job == TWO
    assert admit.weights == (10, 20, 10)
    load: dict[WorkerId, int] = {}
    for lease in admit.leases:
        load[lease.worker] = load.get(lease.worker, 0) + admit.weights[lease.share]
    assert load == {A: 20, B: 20}


def test_only_the_aggregate_is_needed_after_the_proofs(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE, weights=(10, 10), needs=(2,)), 0))
    assert [lease.share for lease in admit.leases] == [2]
    assert len(admits(scheduler.handle(enqueue(TWO), 0))) == 1


def test_who_is_blamed_loses_its_leases_and_gets_none_until_it_is_another_start(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (admit,) = admits(scheduler.handle(enqueue(ONE), 0))
    held = next(lease for lease in admit.leases if lease.worker == A)
    effects = scheduler.handle(events.FoundFaulty(A, start_of(A), ONE, held.share, "it lies"), 1)
    assert [type(effect) for effect in effects] == [events.Quarantined, events.Revoked]
    assert [lease.worker for lease in granted(scheduler.handle(events.Wanted(ONE, held.share), 1))] == [B]
    scheduler.handle(events.Ended(ONE), 2)
    scheduler.handle(events.Heard(A, start_of(A)), 2)
    join(scheduler, A, now=3)
    (second,) = admits(scheduler.handle(enqueue(TWO), 3))
    assert [lease.worker for lease in second.leases] == [B]
    scheduler.handle(enqueue(THREE), 3)
    scheduler.handle(events.Left(B, start_of(B), "gone"), 4)
    assert scheduler.waiting(THREE) == (0, "every worker that is connected is quarantined", 1, 0, 10)
    scheduler.handle(events.Ended(TWO), 4)
    scheduler.handle(events.Left(A, start_of(A), "gone"), 5)
    (third,) = admits(scheduler.handle(events.Joined(A, start_of(A, 2), 10), 6))
    assert [lease.worker for lease in third.leases] == [A]


def held_by(worker: WorkerId, job: JobId, share: int, attempt: int = 1) -> Lease:
    return Lease(worker, start_of(worker), job, share, attempt)


def test_after_a_restart_who_holds_a_share_keeps_it_under_the_same_lease(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Restarted(2.0), 0.0)
    scheduler.handle(enqueue(ONE, weights=(10, 20, 10), needs=(0, 1, 2)), 0)
    join(scheduler, C)
    for worker, lease in ((A, held_by(A, ONE, 1, 3)), (B, held_by(B, ONE, 0))):
        scheduler.handle(events.Joined(worker, start_of(worker), 10, (lease, held_by(worker, TWO, 0))), 0)
        assert scheduler.claimed(lease)
        assert not scheduler.claimed(held_by(worker, TWO, 0))
    (admit,) = admits(scheduler.handle(events.Tick(), 2.0))
    assert admit.leases == (held_by(B, ONE, 0), held_by(A, ONE, 1, 3), held_by(C, ONE, 2))
    assert set(admit.adopted) == set(admit.leases[:2])
    assert len(scheduler.claims) == 0
    scheduler.handle(events.Left(A, start_of(A), "gone"), 3)
    (lease,) = granted(scheduler.handle(events.Wanted(ONE, 1), 3))
    assert lease.attempt == 4


def test_of_two_claims_the_later_lease_counts_and_the_other_is_disowned(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Restarted(2.0), 0.0)
    scheduler.handle(enqueue(ONE, weights=(10,), needs=(0,)), 0)
    scheduler.handle(events.Joined(A, start_of(A), 10, (held_by(A, ONE, 0, 1),)), 0)
    effects = scheduler.handle(events.Joined(B, start_of(B), 10, (held_by(B, ONE, 0, 2),)), 0)
    assert events.Orphaned(held_by(A, ONE, 0, 1), "another worker holds the share under a later lease") in effects
    scheduler.handle(events.Left(B, start_of(B), "gone"), 1)
    (admit,) = admits(scheduler.handle(events.Tick(), 2.0))
    assert (admit.leases[0].worker, admit.adopted) == (A, ())


def test_a_worker_that_holds_a_share_of_one_resumed_job_is_not_given_to_another(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Restarted(2.0), 0.0)
    scheduler.handle(enqueue(ONE, at=0.0, weights=(10, 10), needs=(0, 1)), 0)
    scheduler.handle(enqueue(TWO, at=1.0, weights=(10, 10), needs=(1,)), 0)
    scheduler.handle(events.Joined(A, start_of(A), 10, (held_by(A, TWO, 1),)), 0)
    join(scheduler, B)
    first, second = admits(scheduler.handle(events.Tick(), 2.0))
    assert (first.job, first.adopted) == (TWO, (held_by(A, TWO, 1),))
    assert (second.job, {lease.worker for lease in second.leases}) == (ONE, {B})


def test_who_had_a_share_before_gets_it_again(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B, C)
    former = ((0, C, start_of(C)), (1, A, start_of(A, 9)), (2, B, start_of(B)))
    (admit,) = admits(scheduler.handle(events.Enqueue(ONE, Kind.PROVE, 0, 0.0, (1, 1, 1), (0, 1, 2), former), 0))
    assert [lease.worker for lease in admit.leases][::2] == [C, B]


def test_an_ended_job_leaves_nothing(scheduler: core.Scheduler) -> None:
    join(scheduler, A)
    scheduler.handle(enqueue(ONE), 0)
    scheduler.handle(events.Left(A, start_of(A), "gone"), 1)
    scheduler.handle(events.Wanted(ONE, 0), 1)
    scheduler.handle(events.Ended(ONE), 1)
    assert (dict(scheduler.crews), scheduler.wanted, len(scheduler.queue)) == ({}, {}, 0)


@pytest.mark.parametrize("policy", [Policy(min_compute_units=15)])
def test_fewer_units_than_the_minimum_start_nothing(scheduler: core.Scheduler) -> None:
    join(scheduler, A)
    scheduler.handle(enqueue(ONE), 0)
    waiting = scheduler.waiting(ONE)
    assert waiting is not None
    assert "15 compute units needed" in waiting[1]
    assert len(admits(join(scheduler, B))) == 1


def test_a_job_that_goes_on_at_once_does_not_get_who_holds_a_share_of_another(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Restarted(2.0), 0.0)
    scheduler.handle(events.Wanted(ONE, 0), 0)  # all that it had asked was answered, so that it does not wait in the queue
    scheduler.handle(enqueue(TWO, weights=(10,), needs=(0,)), 0)
    effects = scheduler.handle(events.Joined(A, start_of(A), 10, (held_by(A, TWO, 0),)), 0)
    assert not granted(effects), "who comes next may have been asked before"
    effects = [*scheduler.handle(events.Tick(), 2.0), *join(scheduler, B, now=2.5)]
    (admit,) = admits(effects)
    assert (admit.job, admit.adopted) == (TWO, (held_by(A, TWO, 0),))
    assert [(lease.job, lease.worker) for lease in granted(effects)] == [(ONE, B)]


def test_what_is_no_number_is_no_measure(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    for rate, known in ((float("nan"), 0.0), (float("inf"), 0.0), (-1.0, 0.0), (5.0, 5.0)):
        assert scheduler.handle(events.RateMeasured(A, start_of(A), rate), 0) == []
        assert scheduler.registry.records[A].measured == known
    scheduler.handle(events.RateMeasured(A, start_of(A, 9), 7.0), 0)
    assert scheduler.registry.records[A].measured == 5.0, "of another start"


def test_a_request_that_cannot_start_does_not_hold_back_and_one_that_could_does(scheduler: core.Scheduler) -> None:
    join(scheduler, A, B)
    (first,) = admits(scheduler.handle(events.Enqueue(ONE, Kind.PROVE, 0, 0.0, units=5), 0))
    assert [lease.worker for lease in first.leases] == [A]
    scheduler.handle(events.Enqueue(TWO, Kind.PROVE, 0, 1.0, client="x", min_units=21), 1)
    (third,) = admits(scheduler.handle(events.Enqueue(THREE, Kind.PROVE, 0, 2.0, client="y", units=5), 2))
    assert third.job == THREE, "nobody has 21 units"
    scheduler.handle(events.Ended(THREE), 3)
    scheduler.handle(events.Ended(TWO), 3)
    four, five = JobId("job-4"), JobId("job-5")
    scheduler.handle(events.Enqueue(four, Kind.PROVE, 0, 4.0, client="x", min_units=20), 4)
    assert admits(scheduler.handle(events.Enqueue(five, Kind.PROVE, 0, 5.0, client="y", units=5), 5)) == [], "it waits for the first to end"
    assert not scheduler.starts_at_once(events.Enqueue(JobId("job-6"), Kind.EXECUTE, 0, 6.0, client="z"), 6)
    (both,) = admits(scheduler.handle(events.Ended(ONE), 6))
    assert (both.job, len(both.leases)) == (four, 2)


def test_who_claims_a_share_of_a_job_that_ends_before_it_is_resumed_is_told_to_drop_it(scheduler: core.Scheduler) -> None:
    scheduler.handle(events.Restarted(2.0), 0.0)
    scheduler.handle(enqueue(ONE, weights=(10,), needs=(0,)), 0)
    scheduler.handle(events.Joined(A, start_of(A), 10, (held_by(A, ONE, 0, 1),)), 0)
    assert scheduler.handle(events.Ended(ONE), 1) == [events.Orphaned(held_by(A, ONE, 0, 1), "its job has ended")]
    assert not scheduler.claimed(held_by(A, ONE, 0, 1))
