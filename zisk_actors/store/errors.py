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


class StoreUnwritable(RefusedRetryLater):
    """The disk is full, read-only or gone."""

    code = "store-unwritable"
