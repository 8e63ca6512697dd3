"""What others wrote, made harmless before a person sees it: names of programs, reasons of clients, the console of a guest.

A terminal takes commands from what is printed on it (ECMA-48), and shows text in the order that Unicode's marks ask for.
"""

from __future__ import annotations

from typing import Final

LAYOUT: Final = "\n\t"


def printable(text: str, keep: str = "") -> str:
    """The text with every character that is not printed, but those of `keep`, as its escape: `\\x1b`, `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii") for letter in text)
