"""Rules about the repository itself: nothing of any machine in it, no build output, and documents that speak of what exists."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from zisk_actors.cli.main import cli

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def tracked() -> list[Path]:
    """All files that are, or would be, in the repository."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in answer.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def text_files() -> dict[Path, str]:
    texts = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            texts[path] = content.decode()
    return texts


def test_no_paths_or_hosts_of_any_machine():
    homes = "|".join(["home", "root", "Users", "work"])
    hosts = "|".join(["pypi" + r"\.org", "pythonhosted" + r"\.org", "deb" + r"\.debian\.org", "registry" + r"\.npmjs"])
    pattern = re.compile(rf"(?<![\w.)}}$*])/(?:{homes})/[\w.]|\b(?:{hosts})\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in text_files().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_build_output_but_guests():
    texts = text_files()
    binaries = {path.relative_to(ROOT) for path in tracked() if path not in texts}
    allowed = {path for path in binaries if path.match("tests/guests/*.elf") or path.is_relative_to("tests/vectors")}
    assert binaries - allowed == set()


def test_each_guest_has_its_source():
    elfs = {path.stem for path in (ROOT / "tests" / "guests").glob("*.elf")}
    sources = {path.stem for path in (ROOT / "tests" / "guests").glob("*.c")}
    assert elfs == sources
    assert elfs >= {"fibonacci", "sha256", "quicksort", "matrix", "trap", "cycles"}


def test_guests_name_no_machine():
    for path in (ROOT / "tests" / "guests").glob("*.elf"):
        assert re.search(rb"/(?:tmp|home|root|usr)/|\.cpp?\0|\.o\0", path.read_bytes()) is None, path.name


def test_each_python_file_says_what_it_is():
    sources = [path for path in tracked() if path.suffix == ".py" and path.stat().st_size > 0]
    assert [str(path.relative_to(ROOT)) for path in sources if ast.get_docstring(ast.parse(path.read_text())) is None] == []


def imported() -> set[str]:
    """The top-level names that the package imports and that are neither its own nor the standard library's."""
    names = set()
    for path in tracked():
        if path.suffix == ".py" and path.is_relative_to(ROOT / "zisk_actors"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"zisk_actors"}


def test_imports_dependencies_and_their_page_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=\[ ]", requirement)[0] for requirement in project["dependencies"]]
    modules = {{"pyzmq": "zmq"}.get(name, name.replace("-", "_")) for name in names}
    assert imported() == modules, "each dependency is imported somewhere, and each import is declared"
    page = (ROOT / "docs" / "dependencies.md").read_text()
    extras = [re.split(r"[<>=\[ ]", requirement)[0] for extra in project["optional-dependencies"].values() for requirement in extra]
    assert [name for name in [*names, *extras] if name not in page] == []


def commands_in(document: Path) -> list[tuple[int, list[str]]]:
    """Every `zisk ...` of a document, from code spans and code blocks, with its line number."""
    found = []
    inside = False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
            continue
        pieces = [line] if inside else re.findall(r"`([^`]+)`", line)
        for piece in pieces:
            match = re.match(r"^\s*(?:\$ )?(?:(?:\.venv/bin/)|(?:[A-Z_]+=\S+ ))*zisk (?=[a-z-])(.*)$", piece)
            if match:
                words = shlex.split(match[1].split(" | ")[0], comments=True)
                found.append((number, words))
    return found


def complaint(words: list[str]) -> str | None:
    """What is wrong with a command line, judging by names alone: an unknown command or an unknown option."""
    command: click.Command = cli
    words = list(words)
    while isinstance(command, click.Group) and words and not words[0].startswith(("-", "[")):
        name = words.pop(0)
        names = [part for part in name.split("|") if part]
        missing = [part for part in names if part not in command.commands]
        if missing:
            return f"no command {missing[0]!r} in `{command.name}`"
        command = command.commands[names[0]]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}
    used = [match[1] for word in words if (match := re.match(r"\[?(--?[A-Za-z][\w-]*)", word))]
    unknown = [option for option in used if option not in known]
    return f"`{command.name}` has no option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_commands_that_exist(document: Path):
    wrong = [f"line {number}: {said}" for number, words in commands_in(document) if (said := complaint(words))]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_files_that_exist(document: Path):
    spans = re.findall(r"`([^`\s]+)`|\]\(([^)#\s]+)\)", re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL))
    tops = {path.name for path in ROOT.iterdir()} | {path.name for path in (ROOT / "zisk_actors").iterdir()}
    missing = []
    for code, link in spans:
        name = (code or link).removeprefix("./").rstrip("/").split("::")[0]
        if "://" in name or not re.fullmatch(r"[\w./-]+", name) or (code and name.split("/")[0] not in tops) or (code and "/" not in name):
            continue
        places = [document.parent / name, ROOT / name, ROOT / "zisk_actors" / name]
        if not any(place.exists() for place in places):
            missing.append(name)
    assert missing == []


def shown_by() -> list[tuple[int, str]]:
    """The commands in the last column of the tables of docs/guarantees.md, each with its line number."""
    found = []
    for number, line in enumerate((ROOT / "docs" / "guarantees.md").read_text().splitlines(), 1):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if line.startswith("| ") and len(cells) >= 3 and cells[-1] != "shown by":
            found += [(number, command) for command in re.findall(r"`([^`]+)`", cells[-1])] or [(number, "")]
    return found


def missing_from(command: str) -> str | None:
    """What a command of the table names that does not exist: a test, a module or a script; None where all does."""
    program, *words = shlex.split(command) or [""]
    if program == "pytest":
        for word in words:
            path, _, test = word.partition("::")
            if not (ROOT / path).exists():
                return path
            if test and not re.search(rf"^(?:async )?def {re.escape(test)}\(", (ROOT / path).read_text(), re.MULTILINE):
                return word
        return None if words else command
    if program == "python" and words[:1] == ["-m"]:
        place = ROOT.joinpath(*words[1].split("."))
        return None if place.is_dir() or place.with_suffix(".py").exists() else words[1]
    if program == "zisk":
        return complaint(words)
    return None if program and program.startswith("scripts/") and (ROOT / program).exists() else command or "no command"


def test_guarantees_name_what_shows_them():
    assert len(shown_by()) > 20
    wrong = [f"line {number}: {missing}" for number, command in shown_by() if (missing := missing_from(command)) is not None]
    assert wrong == []


def test_the_checker_of_guarantees_notices():
    assert missing_from("pytest tests/unit/test_repository.py::test_guarantees_name_what_shows_them") is None
    assert missing_from("pytest tests/unit/test_repository.py::test_nothing") == "tests/unit/test_repository.py::test_nothing"
    assert missing_from("pytest tests/nowhere.py") == "tests/nowhere.py"
    assert missing_from("python -m tests.nowhere") == "tests.nowhere"
    assert missing_from("scripts/nothing") == "scripts/nothing"
    assert missing_from("zisk frobnicate") == "no command 'frobnicate' in `cli`"
    assert missing_from("") == "no command"


def test_the_checker_of_commands_notices():
    assert complaint(["verify", "proof.bin", "--elf", "a.elf"]) is None
    assert complaint(["job", "list|show"]) is None
    assert complaint(["frobnicate"]) == "no command 'frobnicate' in `cli`"
    assert complaint(["verify", "--frobnicate"]) == "`verify` has no option --frobnicate"


def unsaid(page: str, source: str) -> list[str]:
    """Words that a page's table of symptoms quotes and that no source says. An error is quoted as `error[code]`, a series with labels."""
    quoted: list[str] = []
    for row in re.findall(r"^\| .*\|$", page, re.MULTILINE):
        cells = row.strip("|").split(" | ")
        symptom = cells[1] if cells[0].strip().isdigit() else cells[0]
        quoted += [*re.findall(r"`([^`]+)`", symptom), *re.findall(r"""grep "?([^`"]+?)"? \S+\.log`""", row)]
    bare = [re.sub(r"error\[(.+)\]|\{.*", r"\1", words) for words in quoted]
    return [words for words in bare if words not in source and not words.startswith("zisk")]


def test_the_runbook_quotes_what_we_say():
    page = (ROOT / "docs" / "runbook.md").read_text()
    source = "".join(path.read_text() for path in sorted((ROOT / "zisk_actors").rglob("*.py")))
    assert unsaid(page, source) == []
    rows = '| 7 | `no such words` | |\n| `error[no-such-code]`, `phase timeout` | `grep "never said" a.log` |\n'
    assert unsaid(rows, source) == ["no such words", "no-such-code", "never said"]


def test_the_codes_of_two_machines_are_ours():
    page = (ROOT / "docs" / "two-machines.md").read_text()
    source = "".join(path.read_text() for path in sorted((ROOT / "zisk_actors" / "transport").rglob("*.py")))
    codes = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert len(codes) == 9
    assert [code for code in codes if f'code = "{code}"' not in source] == []
