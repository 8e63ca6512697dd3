"""The loop of the compute child: a prover that has nothing to do rests, once."""

from __future__ import annotations

import io
import os
import threading

import pytest

from zisk_actors.actors import compute
from zisk_actors.actors.compute import Child


class Resting:
    """A prover that says when it was told to rest."""

    def __init__(self) -> None:
        self.rested = threading.Event()
        self.times = 0

    def rest(self) -> None:
        self.times += 1
        self.rested.set()


def test_without_a_call_the_prover_is_told_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "REST_SECONDS", 0.01)
    source, _ = os.pipe()  # its other end stays open: the child ends with it
    prover = Resting()
    child = Child(os.fdopen(source, "rb"), io.BytesIO())
    threading.Thread(target=child.serve, args=(prover,), daemon=True).start()
    assert prover.rested.wait(10)
    assert prover.times == 1
