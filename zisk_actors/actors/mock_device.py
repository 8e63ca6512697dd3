"""The mock prover as a device: in this process, in no time that counts, or in as long as a verb is told to take.

Rules of this file:
* It does what `Device` does for its callers, without a child; a call that is cancelled leaves nothing behind.
* What a mock backend is gets said in the log when it starts.
"""

from __future__ import annotations

from typing import Final

import trio

from zisk_actors import log, mock
from zisk_actors.actors.compute import broke, perform
from zisk_actors.actors.device import CallFailed, OnProgress
from zisk_actors.wire.compute import Call, Done

STEPS: Final = 4
"""How often a verb that takes time says how far it is."""
WARNING: Final = "MOCK BACKEND: no proof made here proves anything, and every verifier refuses it"


class MockDevice:
    """One device without a process. `seconds` of each verb."""

    def __init__(self, seconds: float, name: str) -> None:
        self._seconds = seconds
        self._prover = mock.MockProver()
        self._log = log.get(device=name)

    async def __aenter__(self) -> MockDevice:
        self._log.warning(WARNING, seconds_per_verb=self._seconds)
        return self

    async def __aexit__(self, *error: object) -> None:
        await trio.lowlevel.checkpoint()

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def call(self, call: Call, *, seconds: float = 0, on_progress: OnProgress | None = None) -> Done:
        """As `Device.call`. The limit is not kept to: what a mock takes was asked for."""
        for step in range(STEPS):
            if on_progress is not None:
                on_progress(mock.BACKEND, step / STEPS)
            await trio.sleep(self._seconds / STEPS)
        try:
            return perform(self._prover, call)
        except Exception as error:
            reply = broke(error)
            raise CallFailed(reply.failure, retryable=reply.retryable) from None
