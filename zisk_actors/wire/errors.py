"""What can be wrong with bytes from another process. One class per way, so that refusals can be counted by reason."""

from __future__ import annotations

from zisk_actors.errors import ZiskError


class WireError(ZiskError):
    """Bytes that are not a message we accept. The sender's fault; nothing has changed on our side. `request` is the number that the sender
    gave it, None where that cannot be read."""

    code = "wire-malformed"
    exit_code = 11
    request: int | None = None


class TooLarge(WireError):
    """A header, a frame or a count of frames over its limit."""

    code = "wire-too-large"


class WrongVersion(WireError):
    """A message of another version of the protocol."""

    code = "wire-version"


class DuplicateKey(WireError):
    """A map that has the same key twice, which two decoders may read as two different messages."""

    code = "wire-duplicate-key"


class UnknownField(WireError):
    """A field that this version does not have, or a value out of its range."""

    code = "wire-field"


class WrongBlob(WireError):
    """A blob whose bytes do not hash to its name, or a chunk outside it."""

    code = "wire-blob"
