"""Errors of the core: both mean a bug of ours, or of the other side, never a user's mistake."""

from __future__ import annotations

from zisk_actors.errors import ZiskError


class IllegalTransition(ZiskError):
    """An event that the state does not allow. Nothing has changed."""

    code = "illegal-transition"
