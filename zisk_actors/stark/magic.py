"""The first bytes of each kind of proof file.

Rules: no two begin alike. What a mock backend makes begins in its own way, so that it can be told by its first bytes and refused by name.
"""

from __future__ import annotations

from typing import Final

# A kind of file ends its name with the version of its format, one byte.
VERSION: Final = b"\x02"
PROOF_MAGIC: Final = b"zisk-stark" + VERSION
PARTIAL_MAGIC: Final = b"zisk-part" + VERSION
KEY_MAGIC: Final = b"zisk-vk" + VERSION
MOCK_MAGIC: Final = b"zisk-MOCK-not-a-proof\x01"


def other_version(data: bytes, magic: bytes) -> int | None:
    """The version of a file of the same kind but another version; None if it is of another kind."""
    name = magic[: -len(VERSION)]
    return data[len(name)] if data[: len(name)] == name and len(data) > len(name) else None
