"""Figures beside those of an earlier run of the same command: what `--json` printed then, and the ratio of each.

Rules of this file: a ratio is new speed by old speed, whatever the figure is in; above 1 is faster now. Figures that only one of the two
runs has are left out, and a file of another command or machine is refused or said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zisk_actors.errors import UsageError

Figures = Mapping[str, Any]  # Any: a JSON object


def read_earlier(path: str, schema: str) -> Figures:
    """The object in a file; UsageError where it is not what ``schema`` prints."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be compared with: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise UsageError(f"{path} is no output of this command", hint=f"it has to be a JSON object of the schema {schema}")
    return found


def differences(old: Figures, new: Figures) -> list[str]:
    """What the two were not measured alike in: such ratios say nothing of the code alone."""
    keys = ("machine", "cores", "threads", "backend", "guest", "params", "shares", "instructions", "log_height", "columns")
    return [f"{key}: {old.get(key)} then, {new.get(key)} now" for key in keys if old.get(key) != new.get(key)]


def ratios(old: Figures, new: Figures) -> dict[str, float]:
    """By name of a figure: of kernels their rates, of a proof the phases' seconds, and its speed."""
    found: dict[str, float] = {}
    earlier = {each["name"]: each["rate"] for each in old.get("figures", ())}
    for each in new.get("figures", ()):
        if earlier.get(each["name"], 0) > 0:
            found[each["name"]] = each["rate"] / earlier[each["name"]]
    for phase, seconds in new.get("seconds", {}).items():
        if seconds > 0 and old.get("seconds", {}).get(phase, 0) > 0:
            found[phase] = old["seconds"][phase] / seconds
    if new.get("cycles_per_second", 0) > 0 and old.get("cycles_per_second", 0) > 0:
        found["speed"] = new["cycles_per_second"] / old["cycles_per_second"]
    return found
