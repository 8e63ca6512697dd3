"""What stands in the repository and is made from definitions is as it would be made now."""

from __future__ import annotations

from pathlib import Path

import pytest

from zisk_actors import generated

ROOT = Path(__file__).resolve().parents[2]


def test_all_of_it_is_up_to_date():
    assert [str(path) for path, text in generated.files(ROOT) if path.read_text() != text] == [], "run scripts/generate"


def test_a_check_names_what_is_not_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "page.md"
    monkeypatch.setattr(generated, "files", lambda root: [(page, "new")])
    monkeypatch.setattr("sys.argv", ["generated", "--check"])
    assert generated.main() == 1
    assert not page.exists()
    monkeypatch.setattr("sys.argv", ["generated"])
    assert generated.main() == 0
    assert page.read_text() == "new"
    assert generated.main() == 0
    assert capsys.readouterr().out == f"{page}\n" * 2
