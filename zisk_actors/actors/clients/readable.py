"""Which blobs there are for a client: those of its own jobs and programs, and what it has sent.

Rules of this file:
* That somebody knows the hash of a blob is no right to it: neither to fetch it, nor to have a program of theirs run on it.
* Of an operator are all.
"""

from __future__ import annotations

from zisk_actors.actors.clients.rights import Rights
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core.summary import blobs_of
from zisk_actors.ids import BlobId, JobId


class Readable:
    """What one client may read, found when it is asked for, and looked for again when something of the client's has changed: who asks for
    many at random costs little. A job that has ended is looked at once."""

    def __init__(self, rights: Rights, jobs: JobTable, programs: Programs) -> None:
        self._rights = rights
        self._jobs = jobs
        self._programs = programs
        self._sent: set[str] = set()
        self._of_ended: dict[JobId, set[str]] = {}
        self._now: set[str] = set()
        self._looked_at: tuple[int, int] = (-1, -1)

    def sent(self, name: BlobId) -> None:
        """The client has sent this blob itself."""
        self._sent.add(name)

    def __call__(self, name: BlobId) -> bool:
        if self._rights.sees_all or name in self._sent or name in self._now:
            return True
        version = (self._jobs.version_of(self._rights.key), self._programs.version)
        if version != self._looked_at:
            self._looked_at = version
            self._look()
        return name in self._now

    def _look(self) -> None:
        found: set[str] = set()
        ended: dict[JobId, set[str]] = {}
        for job, entry in self._jobs.entries.items():
            if not self._rights.owns(entry.client):
                continue
            blobs = self._of_ended.get(job)
            if blobs is None:
                record = entry.record_for_now()
                blobs = blobs_of(record) | {record.submitted.program.sha256}
                blobs |= {stdin.sha256 for stdin in (record.stdin, record.submitted.stdin) if stdin is not None}
            if entry.state.final:
                ended[job] = blobs
            found |= blobs
        for program in self._programs.kept_for(self._rights.key):
            found |= {program.program, *(key.sha256 for key in program.keys.values())}
        self._of_ended, self._now = ended, found
