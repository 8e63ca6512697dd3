"""The one tree of errors that a user can meet.

Rules of this file:
* Every error that is somebody's mistake or misfortune, not a bug of ours, is a `ZiskError`. Whatever else escapes is an internal error.
* `code` is a stable kebab-case name for scripts and documentation; it is never reused with another meaning.
* `exit_code` is what the commands exit with; `BY_EXIT_CODE` documents the numbers. 1 is for internal errors and 130 for an interrupt.
* `message` is one line that names the thing and the cause; `hint` says what to do next, where there is something to do.
* Layers add their own subclasses beside their code; a subclass keeps its parent's exit code.
"""

from __future__ import annotations

from typing import Final


class ZiskError(Exception):
    """Base of all expected failures.

    `message` and `hint` are plain text without a trailing newline; newlines inside are replaced, so that an error is always one line.
    """

    code: str = "error"
    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message: Final = " ".join(message.split())
        self.hint: Final = " ".join(hint.split())
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the hint, so that an error survives the way out of a child process."""
        return _restore, (type(self), self.message, self.hint, dict(vars(self)))


def _restore(kind: type[ZiskError], message: str, hint: str, attributes: dict[str, object]) -> ZiskError:
    """Rebuild a pickled error without calling the subclass's own constructor, whose parameters may differ."""
    error = kind.__new__(kind)
    ZiskError.__init__(error, message, hint=hint)
    vars(error).update(attributes)
    return error


class UsageError(ZiskError):
    """The request itself makes no sense: a wrong flag, a bad configuration, a file that is not what it should be."""

    code = "usage"
    exit_code = 2


class PortInUse(UsageError):
    """Somebody else listens on a port that we are to listen on."""

    code = "port-in-use"


class SystemRefused(UsageError):
    """The operating system will not do what we need: a folder that cannot be written, a full disk, a closed stdout."""

    code = "system"


class NotFoundError(ZiskError):
    """A file, program, job or worker that was named does not exist."""

    code = "not-found"
    exit_code = 3


class JobFailed(ZiskError):
    """The job ended without a proof: the guest failed, or proving did."""

    code = "job-failed"
    exit_code = 4


class MemoryShort(JobFailed):
    """A share needs more memory than there is for it. `pieces`: into how many it would have to be cut, 0 where that does not help."""

    code = "memory-short"
    pieces: int = 0


class BeyondBudget(JobFailed):
    """A run has more steps than whoever asked for it wants to spend on it."""

    code = "beyond-budget"


class JobCancelled(ZiskError):
    """Somebody cancelled the job."""

    code = "job-cancelled"
    exit_code = 5


class WaitTimeout(ZiskError):
    """We stopped waiting; the job may still be running."""

    code = "timeout"
    exit_code = 6


class Unreachable(ZiskError):
    """No answer from the cluster."""

    code = "unreachable"
    exit_code = 7


class NotAuthorised(ZiskError):
    """The cluster knows us, or does not, and will not do this for us."""

    code = "not-authorised"
    exit_code = 8


class RefusedRetryLater(ZiskError):
    """The cluster is full or going down; the same request may succeed later, after so many seconds (None: nobody knows when)."""

    code = "refused"
    exit_code = 9
    retry_after_seconds: float | None = 5.0


class ProofInvalid(ZiskError):
    """The proof does not prove the statement asked about. `share` is the part that is wrong, where one is."""

    code = "proof-invalid"
    exit_code = 10
    share: int | None = None


class Incompatible(ZiskError):
    """Two versions, or a key and a program, that do not belong together."""

    code = "incompatible"
    exit_code = 11


BY_EXIT_CODE: Final[dict[int, str]] = {
    0: "success",
    1: "internal error (please report)",
    2: "usage or configuration",
    3: "not found",
    4: "job failed (the guest, or proving)",
    5: "job cancelled",
    6: "timed out waiting; the job may still run",
    7: "cluster unreachable",
    8: "not authorised",
    9: "refused, retry later",
    10: "proof invalid",
    11: "incompatible version or key",
    130: "interrupted",
}
