"""What can be asked of a job beside its program and its input, the same for every way to submit one."""

from __future__ import annotations

from typing import TypedDict

from zisk_actors.client.arguments import check, check_request
from zisk_actors.ids import BlobId
from zisk_actors.wire.client_link import Submit
from zisk_actors.wire.values import BlobRef, Kind

NOT_YET = BlobRef(BlobId("0" * 64), 0)
"""Stands for the program until it is offered."""


class JobOptions(TypedDict, total=False):
    """`params` are the parameter set, "128" unless said; `name` is what the job is called; a higher `priority` starts earlier.

    A job that has not ended `deadline` seconds after it was accepted fails with the code `deadline`. It starts with `min_units` compute
    units or more and is given about `units`; 0 is what the cluster is set to. Without `queue` it starts at once or is refused
    (WORKER_UNAVAILABLE). With `wait_for_cluster` a cluster that is full, starting or going down is asked again when it said so, for up to
    ten minutes.
    """

    params: str
    name: str
    priority: int
    deadline: float | None
    min_units: int
    units: int
    queue: bool
    wait_for_cluster: bool


def request_of(
    kind: Kind | str,
    key: str,
    *,
    streamed: bool,
    params: str = "128",
    name: str = "",
    priority: int = 0,
    deadline: float | None = None,
    min_units: int = 0,
    units: int = 0,
    queue: bool = True,
    wait_for_cluster: bool = False,
) -> tuple[Submit, bool]:
    """The request that says so, without its number and its blobs, and whether to wait for a cluster that refuses for now.
    Raises `InvalidArgument`."""
    check("wait_for_cluster", wait_for_cluster, bool)
    request = Submit(
        request=0,
        kind=kind.value if isinstance(kind, Kind) else kind,
        program=NOT_YET,
        streamed=streamed,
        params=params,
        name=name,
        key=key,
        priority=priority,
        deadline_seconds=deadline,
        min_units=min_units,
        units=units,
        queue=queue,
    )
    check_request(request)
    return request, wait_for_cluster
