"""Fixtures of the transport tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zisk_actors.transport.curve import Network


@pytest.fixture
def network() -> Iterator[Network]:
    """A ZeroMQ context that is gone, with all its sockets, after the test."""
    with Network() as it:
        yield it
