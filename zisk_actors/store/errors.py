"""What can go wrong with what we keep. A store that cannot be trusted refuses; it never answers with something else."""

from __future__ import annotations

from zisk_actors.errors import NotFoundError, RefusedRetryLater, UsageError, ZiskError


class StoreLocked(UsageError):
    """Another coordinator uses this state."""

    code = "state-in-use"


class BlobMissing(NotFoundError):
    """We do not have that blob."""

    code = "blob-missing"


class StoreCorrupt(ZiskError):
    """What we kept is not what we wrote."""

    code = "store-corrupt"


class JournalMismatch(UsageError):
    """The journal is not the one that was here: it was lost, emptied, or exchanged for another or an older one."""

    code = "journal-mismatch"


class JournalFormat(UsageError):
    """The journal is of a release that is newer than this one, or no journal of ours."""

    code = "journal-format"


class StoreUnwritable(RefusedRetryLater):
    """The disk is full, read-only or gone."""

    code = "store-unwritable"


class DiskFull(StoreUnwritable):
    """There is no room on the disk, or none but what is kept free."""

    code = "disk-full"


class JournalReplaced(StoreUnwritable):
    """While we run, the journal's file was removed or exchanged: what is written to it would be lost."""

    code = "journal-replaced"
