"""What a cluster refuses, as errors of the one tree: the code and the exit code that the coordinator gives, and the manual's name and
number."""

from __future__ import annotations

from zisk_actors.errors import JobCancelled, JobFailed, ZiskError
from zisk_actors.wire.client_link import ErrorReply
from zisk_actors.wire.values import Failure, JobStatus, State


class ClusterRefused(ZiskError):
    """The coordinator refuses a request. `name` and `number` are those of the operator's manual, such as JOB_NOT_FOUND and 1001.
    Where compute units are the reason, it has how many are needed, free and connected."""

    def __init__(self, reply: ErrorReply) -> None:
        super().__init__(reply.message, hint=reply.hint)
        self.code = reply.code
        self.exit_code = reply.exit_code
        self.name = reply.name
        self.number = reply.number
        self.retry_after_seconds = reply.retry_after_seconds
        self.needed_units, self.free_units, self.total_units = reply.needed_units, reply.free_units, reply.total_units


class JobFailure(JobFailed):
    """A job failed; `failure` has all there is to know, its trap and its attempts included."""

    def __init__(self, status: JobStatus, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.code = failure.code
        self.exit_code = failure.exit_code
        self.status = status
        self.failure = failure


def raise_for(status: JobStatus) -> None:
    """Raises `JobFailure` or `JobCancelled` for a job that ended so."""
    if status.state is State.FAILED and status.failure is not None:
        raise JobFailure(status, status.failure)
    if status.state is State.CANCELLED:
        raise JobCancelled(f"job {status.job} was cancelled: {status.reason}")
