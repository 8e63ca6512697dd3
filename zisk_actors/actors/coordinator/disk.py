"""Looks after a disk that cannot be written: tries it again until it can, so that nobody has to ask for work to find that out.

Rules of this file:
* While the disk is well nothing is written here, but how far the journal has come. Whether the journal is still the one that we write is
  looked at each time.
* A try writes what nobody reads: a fact in the journal, a blob that is never published.
"""

from __future__ import annotations

from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.threads import in_thread
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import JournalReplaced, StoreUnwritable
from zisk_actors.store.journal import Journal

TRY_SECONDS: Final = 2.0


async def look_after_disk(recorder: Recorder, store: BlobStore) -> None:
    """Until cancelled."""
    words = log.get()
    unwell = ""
    while True:
        await trio.sleep(TRY_SECONDS)
        try:
            if recorder.broken:
                await recorder.call(Journal.check_writable)
                recorder.broken = False
            else:
                await recorder.call(Journal.check)
            if store.broken:
                await in_thread(store.check_writable)
        except StoreUnwritable as error:
            recorder.broken = recorder.broken or isinstance(error, JournalReplaced)
            if not unwell:
                words.error("the disk cannot be written: no new work is taken, what runs waits", error=error.message, hint=error.hint)
            unwell = error.message
        else:
            if unwell:
                words.info("the disk can be written again", before=unwell)
            unwell = ""
