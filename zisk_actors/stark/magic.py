"""The first bytes of each kind of proof file.

Rules: no two begin alike. What a mock backend makes begins in its own way, so that it can be told by its first bytes and refused by name.
"""

from __future__ import annotations

from typing import Final

PROOF_MAGIC: Final = b"zisk-stark\x01"
PARTIAL_MAGIC: Final = b"zisk-part\x01"
MOCK_MAGIC: Final = b"zisk-MOCK-not-a-proof\x01"
