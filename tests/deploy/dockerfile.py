"""A Dockerfile, read: its stages, each with its instructions, for tests that run its commands where there is no Docker.

Rules of this file: it reads the instructions that ours use, and raises on any other.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

WORDS = ("ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "CMD")


@dataclass
class Stage:
    """One stage: its name (empty for the last), what it begins with, and its instructions in their order."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """The arguments of all instructions of a kind."""
        return [words for each, words in self.steps if each == word]

    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(pair.split("=", 1) for words in self.all("ENV") for pair in shlex.split(words))


def read(path: Path) -> list[Stage]:
    """The stages of a Dockerfile, with its ARGs replaced by their defaults. Raises `ValueError`."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stages: list[Stage] = []
    defaults: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, words = line.partition(" ")
        if word not in WORDS:
            raise ValueError(f"{path.name}: {word} is an instruction that this reader does not know")
        if word == "ARG":
            name, _, value = words.partition("=")
            defaults[name] = value
        elif word == "FROM":
            base = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], words)
            base, _, name = base.partition(" AS ")
            stages.append(Stage(name, base))
        else:
            stages[-1].steps.append((word, words))
    return stages
