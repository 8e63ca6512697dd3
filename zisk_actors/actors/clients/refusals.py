"""What a client is told when a request is refused: the names and numbers of the operator's manual beside the codes of our errors.

Rule of this file: every error has a name and a number; the nearest of its kinds that the manual knows is told.
"""

from __future__ import annotations

from typing import Final

from zisk_actors.actors.clients.submitting import KindNotSupported
from zisk_actors.actors.jobs.admission import WorkerUnavailable
from zisk_actors.actors.jobs.programs import ProgramNotKept
from zisk_actors.errors import NotAuthorised, NotFoundError, RefusedRetryLater, UsageError, ZiskError
from zisk_actors.wire.client_link import ErrorReply


class JobNotFound(NotFoundError):
    """No job has that id."""

    code = "job-not-found"


class ProgramNotFound(NotFoundError):
    """The cluster does not have that program, and the client does not offer it."""

    code = "program-not-found"


class InputNotFound(NotFoundError):
    """The cluster does not have that input, or not any more, and the client does not offer it."""

    code = "input-not-found"


class ProgramInUse(UsageError):
    """A program cannot be forgotten while a job uses it."""

    code = "program-in-use"


class BadRequest(UsageError):
    """A message of a client that we cannot read, and whose number we can."""

    code = "bad-request"


class TooManyRequests(RefusedRetryLater):
    """One client has too many requests open."""

    code = "too-many-requests"


_NAMES: Final[dict[type[ZiskError], tuple[int, str]]] = {
    JobNotFound: (1001, "JOB_NOT_FOUND"),
    ProgramNotFound: (1002, "PROGRAM_NOT_FOUND"),
    ProgramNotKept: (1002, "PROGRAM_NOT_FOUND"),
    InputNotFound: (1004, "INVALID_REQUEST"),
    KindNotSupported: (1005, "INVALID_PROOF_CONVERSION"),
    UsageError: (1004, "INVALID_REQUEST"),
    NotAuthorised: (1006, "NOT_AUTHORISED"),
    RefusedRetryLater: (2001, "SYSTEM_UNAVAILABLE"),
    WorkerUnavailable: (2002, "WORKER_UNAVAILABLE"),
}


def refusal_of(request: int, error: ZiskError) -> ErrorReply:
    """The reply that says so."""
    number, name = next((_NAMES[kind] for kind in type(error).__mro__ if kind in _NAMES), (3001, "INTERNAL"))
    needed, free, total = (error.needed, error.free, error.total) if isinstance(error, WorkerUnavailable) else (None, None, None)
    return ErrorReply(
        request=request,
        code=error.code,
        name=name,
        number=number,
        message=error.message[:4000],
        hint=error.hint[:4000],
        exit_code=error.exit_code,
        retry_after_seconds=error.retry_after_seconds if isinstance(error, RefusedRetryLater) else None,
        needed_units=needed,
        free_units=free,
        total_units=total,
    )
