"""The call to the compute child that a task is, once its inputs are on this worker's shelf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zisk_actors.store.blobs import BlobStore
from zisk_actors.wire.blobs import unpack_manifest
from zisk_actors.wire.compute import AggregateCall, Call, ContributeCall, ExecuteCall, ProveCall, SetupCall
from zisk_actors.wire.values import BlobRef
from zisk_actors.wire.worker_link import AggregateTask, ContributeTask, ExecuteTask, ProveTask, SetupTask, Task


async def prepare(task: Task, path: Callable[[BlobRef], Awaitable[str]], store: BlobStore) -> Call:
    """The call of a task. `path` has a blob fetched where `store` lacks it, and gives its path; what that raises passes through."""
    match task:
        case SetupTask():
            return SetupCall(await path(task.program), task.params)
        case ExecuteTask():
            return ExecuteCall(await path(task.program), await path(task.stdin))
        case ContributeTask():
            elf, stdin = await path(task.program), await path(task.stdin)
            return ContributeCall(elf, stdin, task.params, task.lease.share, task.weights)
        case ProveTask():
            elf, stdin = await path(task.program), await path(task.stdin)
            bundle = await path(task.contributions)
            return ProveCall(elf, stdin, task.params, task.lease.share, task.weights, bundle)
        case AggregateTask():
            elf, bundle = await path(task.program), await path(task.contributions)
            await path(task.partials)
            partials = tuple([await path(blob) for blob in unpack_manifest(store.get(task.partials)).blobs])
            return AggregateCall(elf, task.params, bundle, partials)
