"""What the scheduler decided, carried out: who is told, what is begun, what is counted and logged.

Rules of this file:
* Nothing is decided here, and nothing is waited for: what takes time is spawned.
* An effect is carried out in the order in which it was decided.
"""

from __future__ import annotations

from zisk_actors.actors.coordinator.coordinator import Coordinator
from zisk_actors.core import events
from zisk_actors.wire.values import Lease


def carry_out(coordinator: Coordinator, effect: events.Effect) -> None:
    """Have what the scheduler decided begin to happen."""
    match effect:
        case events.Admit():
            for lease in effect.leases:
                _say_assigned(coordinator, lease, adopted=lease in effect.adopted)
            coordinator.start(coordinator.jobs.entries[effect.job], effect)
        case events.Granted():
            _say_assigned(coordinator, effect.lease)
            coordinator.tasks.granted(effect.lease)
        case events.Doubled():
            _say_assigned(coordinator, effect.lease)
        case events.Revoked():
            coordinator.tasks.revoked(effect.lease, effect.reason)
            coordinator.stop_work(effect.lease, effect.reason)
        case events.Orphaned():
            coordinator.stop_work(effect.lease, effect.reason)
        case events.Quarantined():
            coordinator.log.error(
                "worker quarantined: it gets no work until it is restarted",
                worker=effect.record.worker,
                incarnation=effect.record.incarnation,
                reason=effect.reason,
                pool=coordinator.pool(),
            )
        case events.Registered():
            coordinator.metrics.worker_joined(fresh=effect.fresh)
            coordinator.log.info(
                "worker registered" if effect.fresh else "worker registered again",
                worker=effect.record.worker,
                incarnation=effect.record.incarnation,
                compute_capacity=effect.record.units,
                cells_per_second=round(effect.record.measured) or "not measured yet",
                pool=coordinator.pool(),
            )
        case events.JoinRejected():
            refusal = effect.refusal
            coordinator.roster.changed()
            coordinator.metrics.refused("worker", refusal.code)
            coordinator.log.error(
                "worker refused to register",
                worker=effect.worker,
                reason=refusal.reason,
                code=refusal.code,
                permanent=refusal.permanent,
            )
        case events.Lost():
            coordinator.roster.changed()
            session = coordinator.sessions.pop(effect.record.worker, None)
            if session is not None:
                session.end()
            coordinator.metrics.worker_lost(effect.why.value)
            coordinator.stopping.lost(effect.record.worker)
            coordinator.log.warning("worker lost", worker=effect.record.worker, reason=effect.reason, pool=coordinator.pool())


def _say_assigned(coordinator: Coordinator, lease: Lease, *, adopted: bool = False) -> None:
    coordinator.measures.assigned(lease)
    coordinator.progress.assigned(lease)
    coordinator.log.info(
        "assigned share to worker, which holds it from before our restart" if adopted else "assigned share to worker",
        job=lease.job,
        share=lease.share,
        worker=lease.worker,
        attempt=lease.attempt,
        incarnation=lease.incarnation,
    )
