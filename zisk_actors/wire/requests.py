"""The two kinds of sentences between a client and the coordinator: a request with a number, and the reply that repeats it.

Rules of this file:
* A request says in its type what answers it: `class ShowJob(Request[JobReply])`. What can be said, and what each is answered, follows from
  the classes; nothing lists them a second time.
* A long answer comes in parts, replies with the field `last`.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, get_args

from zisk_actors.wire.values import Count, Tagged

A = TypeVar("A", bound="Reply", covariant=True)


class Reply(Tagged, frozen=True):
    """What the coordinator answers; `request` is the request's number."""

    request: Count


class Request(Tagged, Generic[A], frozen=True):
    """What a client asks, answered by `A`. May be said again, so all are idempotent."""

    request: Count


def answer_of(request: type[Request[A]]) -> type[A]:
    """The type of a request's answer."""
    bases: tuple[Any, ...] = vars(request)["__orig_bases__"]  # Any: an alias with its argument has no type
    answer: type[A] = get_args(bases[0])[0]
    return answer


def below(kind: type) -> tuple[type, ...]:
    """All classes of `wire/` that are made of one, in the order in which they were."""
    classes: list[type] = kind.__subclasses__()
    return tuple(each for each in classes if each.__module__.startswith("zisk_actors.wire."))
