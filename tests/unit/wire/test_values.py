"""Values that need a word of their own: what the manual calls our failures."""

from __future__ import annotations

import pytest

from zisk_actors.wire.values import Failure, FailureKind, Trap

TRAP = Trap("illegal-instruction", 0x80000000)


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_a_name_of_the_manual(kind: FailureKind) -> None:
    assert Failure(kind=kind, code="c", message="m").variant in ("Timeout", "Input", "Execution", "Internal")


def test_a_guest_that_ran_and_one_that_could_not() -> None:
    assert Failure(kind=FailureKind.GUEST, code="guest-trapped", message="m", trap=TRAP).variant == "Execution"
    assert Failure(kind=FailureKind.GUEST, code="elf-machine", message="m").variant == "Input"
