"""Who may ask for what at the client port.

Rules of this file:
* The role that a request needs is in its row (`requests.py`); what has no row is refused to everybody.
* A client sees and cancels the jobs that its own key submitted; an operator, which is a client as well, those of all.
* To who may not see a job there is no such job: no answer tells that another client has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zisk_actors.errors import NotAuthorised

RoleOf = Callable[[str], str | None]
"""The role that a key has at the client port now, None where it has none any more."""

CLIENT: Final = "client"
OPERATOR: Final = "operator"


class RoleNeeded(NotAuthorised):
    """The key is on the allow-list, in a role that may not ask for this."""

    code = "role-needed"


@dataclass(frozen=True)
class Rights:
    """What one key may do. The role is looked up each time: it can change while the key is connected."""

    key: str
    role_of: RoleOf

    def check(self, message: object, needed: str | None) -> None:
        """Raises `RoleNeeded` where the key may not ask for that, for which `needed` is the role; None is nobody's."""
        role = self.role_of(self.key)
        if needed is None or (role != needed and role != OPERATOR):
            raise RoleNeeded(
                f"{type(message).__name__} needs the role {needed or 'of nobody'}, and this key has the role {role or 'of nobody'}",
                hint=f"in the coordinator's allow-list, put {needed or OPERATOR} before the key {self.key}",
            )

    @property
    def role(self) -> str:
        """The role that the key has now, empty where it has none."""
        return self.role_of(self.key) or ""

    @property
    def sees_all(self) -> bool:
        """Whether the jobs of every client are theirs to see and to cancel."""
        return self.role_of(self.key) == OPERATOR

    def owns(self, client: str) -> bool:
        """Whether what that client submitted is theirs."""
        return client == self.key
