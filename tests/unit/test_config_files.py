"""The files that are shipped, and the tables of the documentation, are those that the settings make, and can be used."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from zisk_actors import config_files
from zisk_actors.cli.coordinator import main as coordinator
from zisk_actors.cli.worker import main as worker
from zisk_actors.config import load
from zisk_actors.settings import COORDINATOR_FLAGS, WITHOUT_EFFECT, WORKER_FLAGS, CoordinatorConfig, Section, WorkerConfig, keys

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "run scripts/generate"


@pytest.mark.parametrize("name", config_files.VARIANTS)
def test_a_shipped_file_is_up_to_date_and_means_what_it_is_to(name: str) -> None:
    path = ROOT / "configs" / name
    assert path.read_text() == config_files.render(name), AGAIN
    variant = config_files.VARIANTS[name]
    kind = WorkerConfig if variant.kind is WorkerConfig else CoordinatorConfig
    config, origins = load(kind, [(path, True)], {}, {}, {})
    assert set(origins) == {key.dotted for key in keys(kind)}, "a file has every key"
    for key in keys(kind):
        value: object = config
        for part in key.dotted.split("."):
            value = getattr(value, part)
        assert value == variant.values.get(key.dotted, key.default)


def test_there_is_no_other_file() -> None:
    assert {path.name for path in (ROOT / "configs").iterdir() if path.is_file()} == set(config_files.VARIANTS)


def test_the_tables_of_the_documentation_are_up_to_date() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert page == config_files.fill(page), AGAIN


@pytest.mark.parametrize("kind", [CoordinatorConfig, WorkerConfig])
def test_every_key_says_what_it_means(kind: type[Section]) -> None:
    for key in keys(kind):
        assert key.meaning, key.dotted
        assert key.unit or not key.name.endswith(("_seconds", "_ms", "_bytes")), key.dotted


@pytest.mark.parametrize(
    ("command", "flags", "kind"), [(coordinator, COORDINATOR_FLAGS, CoordinatorConfig), (worker, WORKER_FLAGS, WorkerConfig)]
)
def test_the_flags_are_those_of_the_command(command: click.Command, flags: dict[str, str], kind: type[Section]) -> None:
    there = {", ".join(sorted(option.opts, key=len)) for option in command.params if not getattr(option, "hidden", False)}
    assert set(flags.values()) <= there
    assert there - set(flags.values()) <= {"--config", "--check-config", "--check-state", "--set-aside", "--accept-loss", "--version"}
    assert set(flags) <= {key.dotted for key in keys(kind)}


def test_no_key_both_works_and_does_not() -> None:
    assert not set(WITHOUT_EFFECT) & {key.dotted for kind in (CoordinatorConfig, WorkerConfig) for key in keys(kind)}
