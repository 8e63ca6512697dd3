"""Who asks for something at the client port: what there is for them, and the way back to them.

Rules of this file: to who may not see a job there is no such job. What is asked for and done is in `requests.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import trio

from zisk_actors.actors.clients.readable import Readable
from zisk_actors.actors.clients.refusals import JobNotFound, ProgramNotFound
from zisk_actors.actors.clients.rights import Rights
from zisk_actors.actors.clients.services import Services
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.transfer import Exchange
from zisk_actors.errors import NotFoundError, UsageError
from zisk_actors.ids import JobId
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.client_link import JobReply
from zisk_actors.wire.requests import Reply
from zisk_actors.wire.values import BlobRef, ProgramStatus

PART: Final = 16
UPLOAD_SECONDS: Final = 600.0


class Caller:
    """One client. `services` are what requests are carried out with; `send` says something to the client."""

    def __init__(
        self,
        services: Services,
        rights: Rights,
        readable: Readable,
        exchange: Exchange,
        send: Callable[[msgspec.Struct], Awaitable[None]],
    ) -> None:
        self.services = services
        self.rights = rights
        self._readable = readable
        self.exchange = exchange
        self.send = send

    @property
    def key(self) -> str:
        """Their public key."""
        return self.rights.key

    def find(self, job: str) -> JobEntry:
        """A job of theirs by its id or an unambiguous beginning of it. Raises `JobNotFound`."""
        entry = self.services.jobs.entries.get(JobId(job))
        if entry is not None and (self.rights.sees_all or self.rights.owns(entry.client)):
            return entry
        jobs = self.seen()
        found = [name for name in jobs if name.startswith(job)] if len(job) >= 4 else []
        if len(found) > 1:
            raise JobNotFound(f"{job!r} is the beginning of {len(found)} jobs", hint="use more of the id: `zisk job list`")
        if not found:
            raise JobNotFound(self.services.retention.what_became_of(job), hint="`zisk job list` shows the jobs of this cluster")
        return jobs[found[0]]

    def seen(self) -> Mapping[JobId, JobEntry]:
        """The jobs that there are for this client."""
        entries = self.services.jobs.entries
        if self.rights.sees_all:
            return entries
        return {job: entry for job, entry in entries.items() if self.rights.owns(entry.client)}

    def status(self, number: int, entry: JobEntry) -> JobReply:
        """What there is to say about a job, to the request of that number."""
        return JobReply(number, self.services.jobs.status(entry))

    async def need(self, blob: BlobRef, limit: int, missing: type[NotFoundError] = ProgramNotFound) -> None:
        """Have a blob on our shelf, from this client if need be. Raises `missing` and `UsageError`."""
        if blob.size > limit:
            raise UsageError(f"a blob of {blob.size} bytes is over the limit of {limit}")
        if blob.size == 0:
            if blob != reference(b""):
                raise UsageError(f"blob {blob.sha256} is said to be empty, and that is the hash of something else")
            await in_thread(self.services.store.put, b"")
            return
        if self._readable(blob.sha256) and await self._is_here(blob):
            return
        try:
            with trio.fail_after(UPLOAD_SECONDS):
                await self.exchange.fetch(blob, anew=True)
            self._readable.sent(blob.sha256)
        except NotFoundError:
            raise missing(
                f"the cluster does not have {blob.sha256}, or not any more, and the client does not offer it",
                hint="submit it again with the bytes themselves",
            ) from None
        except trio.TooSlowError:
            raise UsageError(f"blob {blob.sha256} did not arrive in {UPLOAD_SECONDS:.0f} s") from None

    async def _is_here(self, blob: BlobRef) -> bool:
        """Whether we have a blob, and its bytes are good: it is hashed where it was not for a while."""
        store = self.services.store
        return store.has(blob) and (not store.must_hash(blob.sha256, blob.size) or await in_thread(store.sound, blob.sha256))

    def programs(self) -> list[ProgramStatus]:
        """The programs that there are for this client, under its names."""
        known = self.services.programs
        return known.all(self.key) if self.rights.sees_all else known.kept_for(self.key)

    def name_of(self, program: str) -> str:
        """What this client calls a program."""
        return self.services.programs.name(program, self.key)


def in_parts(kind: Any, number: int, items: Sequence[Any]) -> list[Reply]:
    """A long list as several replies, so that each stays small. Any: each list has its own kind of reply."""
    starts = range(0, max(1, len(items)), PART)
    return [kind(number, tuple(items[start : start + PART]), last=start == starts[-1]) for start in starts]
