"""What is written as TOML is read back as it was, by the interpreter's own reader."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zisk_actors import toml_files
from zisk_actors.client.local_settings import COMMENT, coordinator_settings, worker_settings
from zisk_actors.config import load
from zisk_actors.settings import CoordinatorConfig, WorkerConfig
from zisk_actors.toml_files import Value

ROOT = Path(__file__).resolve().parents[2]
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['a "b"', "a\\b", "\x00\x1f\x7f", "\r\n", "'''", '"""', "#", "\u2028"]
)
VALUES = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
STRANGE = Path('/tmp/a "quoted" \\ folder\n\t\x07 of ünïcode #1')


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, min_size=1)), st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_a_document_is_read_back(tables: dict[str, dict[str, Value]], comment: str):
    settings = {f"{table}.{name}": value for table, below in tables.items() for name, value in below.items()}
    assert tomllib.loads(toml_files.document(settings, comment)) == tables


@given(NAMES, VALUES)
def test_a_line_and_a_value_are_read_back(name: str, value: Value):
    assert tomllib.loads(toml_files.line(name, value)) == {name: value}
    assert toml_files.line(name, value) == f"{name} = {toml_files.value(value)}"
    assert "\n" not in toml_files.line(name, value)


def test_tables_come_in_the_order_in_which_they_are_named():
    text = toml_files.document({"b.y": 1, "a.x": True, "b.c.z": 0.5, "b.w": "v"}, "two\nlines")
    assert text == '# two\n# lines\n[b]\ny = 1\nw = "v"\n\n[b.c]\nz = 0.5\n\n[a]\nx = true\n'


def test_a_name_of_other_bytes_than_text_is_refused():
    folder = Path(b"/tmp/\xff".decode(errors="surrogateescape"))
    with pytest.raises(toml_files.NotText, match="cannot be written"):
        toml_files.document(coordinator_settings(folder, 1, 2, "info", False, {}))


def test_a_local_cluster_may_live_in_any_folder(tmp_path: Path):
    coordinator = toml_files.document(coordinator_settings(STRANGE, 1, 2, "info", False, {"security.put_off_seconds": 3}), COMMENT)
    worker = toml_files.document(worker_settings(STRANGE, "w", "tcp://127.0.0.1:1", "k" * 40, 1, 2**30, "info", True), COMMENT)
    for name, text in (("coordinator", coordinator), ("worker", worker)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    config, _ = load(CoordinatorConfig, [(tmp_path / "coordinator", True)], {}, {}, {})
    assert config.store.folder == str(STRANGE / "coordinator")
    assert config.security.put_off_seconds == 3
    settings, _ = load(WorkerConfig, [(tmp_path / "worker", True)], {}, {}, {})
    assert settings.worker.cache_folder == str(STRANGE / "w")


def test_nothing_else_writes_toml():
    """An f-string with a table's head, or with a value between quotes behind a `=`, is a second renderer."""
    found = []
    for path in (ROOT / "zisk_actors").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                if re.search(r"^\[[\w.]+\]$|^\w+ = \"\{\}", text, re.MULTILINE):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
