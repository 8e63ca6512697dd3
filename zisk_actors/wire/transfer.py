"""Blobs over a link, in both directions: the same three messages between a worker, the coordinator and a client.

Rule of this file: who needs a blob asks for its parts; nothing is sent that was not asked for.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from zisk_actors.wire.values import Blob, Size, Tagged, Text


class FetchChunk(Tagged, frozen=True):
    """Send me this part of that blob."""

    blob: Blob
    offset: Size
    length: Annotated[int, Meta(ge=1, le=1024 * 1024)]


class Chunk(Tagged, frozen=True):
    """The part asked for is the bulk frame."""

    BULK: ClassVar[bool] = True

    blob: Blob
    offset: Size


class NoChunk(Tagged, frozen=True):
    """I do not have that blob, or not that much of it."""

    blob: Blob
    reason: Text


Transfer = FetchChunk | Chunk | NoChunk
