"""One share of a phase that is under way: the attempts at it, and the time that others took which came to nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from zisk_actors.actors.dispatch.progress import AttemptProgress
from zisk_actors.actors.dispatch.tasks import ShareLost
from zisk_actors.ids import WorkerId
from zisk_actors.wire.values import Lease


@dataclass
class RunningShare:
    """A share and its attempts, in whose `nursery` they run; `doubles` is how often it was begun beside its holder. `lost_seconds` and
    `still_seconds` are those of attempts that were lost or failed, and of those that stood still. `last` is how the last one came to
    nothing; none of `never` is to have the share again."""

    number: int
    attempts: dict[Lease, AttemptProgress] = field(default_factory=dict)
    nursery: trio.Nursery | None = None
    doubles: int = 0
    lost_seconds: float = 0.0
    still_seconds: float = 0.0
    last: ShareLost | None = None
    never: frozenset[WorkerId] = frozenset()
