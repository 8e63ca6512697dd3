"""The benchmark that a worker runs at its start."""

from __future__ import annotations

import time

from zisk_actors.backends.capacity import measure
from zisk_actors.backends.reference import ReferenceBackend


def test_a_slow_backend_is_measured_in_a_moment() -> None:
    began = time.process_time()
    assert 1e3 < measure(ReferenceBackend()) < 1e12
    assert time.process_time() - began < 5.0
