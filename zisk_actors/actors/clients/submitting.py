"""What a submit asks for, checked before it has any effect: the kind of job, and whether its key was used for something else.

Rules of this file:
* A kind that we do not have is refused by name, and the client's connection lives on.
* A key of a client belongs to what was first asked for with it: the kind, the program, the parameters and the input. Asking for the same
  again is the same job; asking for something else is refused, and changes nothing.
"""

from __future__ import annotations

from typing import Final

from zisk_actors.core.job import JobRecord
from zisk_actors.errors import UsageError
from zisk_actors.wire.client_link import Submit
from zisk_actors.wire.values import BlobRef, Kind


class KindNotSupported(UsageError):
    """The manual has that kind of job, and we do not have it yet."""

    code = "kind-not-supported"


class UnknownKind(UsageError):
    """There is no such kind of job."""

    code = "unknown-kind"


class KeyConflict(UsageError):
    """A key was used before by the same client, for something else."""

    code = "idempotency-conflict"


_NOT_YET: Final = {
    "wrap": "a proof is not wrapped for a contract yet: use the proof that a prove job gives, which `zisk verify` checks",
    "aggregate": "proofs of several jobs are not made one yet: `prove` aggregates the shares of its own job",
}


def kind_of(name: str) -> Kind:
    """Raises `KindNotSupported` and `UnknownKind`."""
    if name in _NOT_YET:
        raise KindNotSupported(f"jobs of kind {name} are not supported yet", hint=_NOT_YET[name])
    try:
        return Kind(name)
    except ValueError:
        known = ", ".join(kind.value for kind in Kind)
        raise UnknownKind(f"there is no kind of job called {name[:40]!r}", hint=f"kinds are {known}") from None


def check_same(job: JobRecord, kind: Kind, submit: Submit, stdin: BlobRef | None) -> None:
    """That a submit asks for the job that its key was used for (an input that is yet to come, None, may). Raises `KeyConflict`."""
    before = job.submitted
    pairs = {
        "kind": (before.kind, kind),
        "program": (before.program, submit.program),
        "parameter set": (before.params, submit.params),
        "input": (job.stdin, job.stdin if stdin is None else stdin),
    }
    differ = [what for what, (first, now) in pairs.items() if first != now]
    if differ:
        raise KeyConflict(
            f"key {submit.key!r} was used for job {before.job}, whose {' and '.join(differ)} {'is' if len(differ) == 1 else 'are'} another",
            hint="a key names one request: use another key for another one",
        )
