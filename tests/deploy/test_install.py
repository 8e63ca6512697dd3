"""`scripts/install`, run into a root of its own: what it puts where, twice, and what is left when it takes it away.

What this pins down: users, settings, keys and units as docs/deployment.md says; nothing of the operator's is overwritten; `systemd-analyze`
finds nothing wrong with the units and little that they may do; each mistake is one line with the next step.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import BIN, DEPLOY, ROOT, tool

UNITS = "usr/local/lib/systemd/system"
KEY = "8Dc=mGcs(Qr90>/ix>^8j>MxWs6Ov>78l>Hp.e)R"
MOST_EXPOSURE = 15
"""Tenths, of 100, that `systemd-analyze security` may give a unit."""


class Root:
    """A system of its own, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        where = [] if words[0] == "uninstall" else ["--bin", str(BIN)]
        command = [str(ROOT / "scripts" / "install"), *words, "--root", str(self.folder), *where]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)

    def done(self, *words: str) -> str:
        """What a run that must succeed printed on stdout."""
        said = self.run(*words)
        assert said.returncode == 0, said.stderr
        return said.stdout

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def files(self) -> dict[str, tuple[int, int, int, bytes]]:
        """Owner, group, mode and content of all files that the script made, by name."""
        found = {}
        for path in sorted((self.folder).rglob("*")):
            name = str(path.relative_to(self.folder))
            if path.is_file() and not re.match(r"etc/(\.pwd|g?shadow|passwd|group)", name):
                what = path.stat()
                found[name] = (what.st_uid, what.st_gid, stat.S_IMODE(what.st_mode), path.read_bytes())
        return found

    def user(self, name: str) -> int:
        """The number of a user of this root."""
        (number,) = re.findall(rf"^{name}:[^:]*:(\d+):", self.read("etc/passwd"), re.MULTILINE)
        return int(number)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    tool("systemd-sysusers")
    if os.geteuid() != 0:
        pytest.skip("files of other users can be made by root only")
    folder = tmp_path / "root"
    folder.mkdir()
    return Root(folder)


@pytest.mark.slow
def test_a_machine_with_both(root: Root):
    server_key = root.done("coordinator")
    worker = root.done("worker", "w1")
    files = root.files()
    coordinator, worker_user = root.user("zisk-coordinator"), root.user("zisk-worker")
    keys = {name: (owner, mode) for name, (owner, _, mode, _) in files.items() if name.endswith(".key")}
    assert keys == {
        "etc/zisk/coordinator.key": (coordinator, 0o600),
        "etc/zisk/operator.key": (0, 0o600),
        "etc/zisk/worker-w1.key": (worker_user, 0o600),
    }
    assert all(mode == 0o644 and owner == 0 for name, (owner, _, mode, _) in files.items() if not name.endswith(".key"))
    assert coordinator != worker_user
    allowed = root.read("etc/zisk/allowed").splitlines()[1:]
    assert [line.split()[0] for line in allowed] == ["operator", "worker"]
    assert worker.strip() == allowed[1]
    assert server_key.strip() in root.read("etc/zisk/worker.toml")
    assert sorted(name for name in files if name.startswith(UNITS)) == [
        f"{UNITS}/zisk-coordinator.service",
        f"{UNITS}/zisk-worker@.service",
    ]


@pytest.mark.slow
def test_a_second_run_changes_nothing(root: Root):
    def everything() -> None:
        root.done("coordinator")
        root.done("worker", "w1")
        root.done("worker", "w2")

    everything()
    mine = "# mine\n"
    with (root.folder / "etc/zisk/coordinator.toml").open("a") as file:
        file.write(mine)
    before = root.files()
    everything()
    root.done("upgrade")
    assert root.files() == before
    assert root.read("etc/zisk/coordinator.toml").endswith(mine)


@pytest.mark.slow
def test_the_settings_are_what_the_daemons_take(root: Root, tmp_path: Path):
    root.done("coordinator")
    root.done("worker", "w1")
    for name, origin in (("coordinator", "allow_file"), ("worker-w1", "worker_id")):
        daemon = BIN / f"zisk-{name.partition('-')[0]}"
        file = tmp_path / "root" / "etc" / "zisk" / f"{name}.toml"
        said = subprocess.run([daemon, "--config", file, "--check-config"], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert said.returncode == 0, said.stderr
        assert origin in said.stdout
        assert "ignored" not in said.stdout


@pytest.mark.slow
def test_a_worker_of_another_machine(root: Root):
    line = root.done("worker", "gpu-7", "--coordinator-url", "tcp://10.77.0.1:50051", "--server-key", KEY)
    assert re.fullmatch(r"worker \S{40} gpu-7\n", line)
    assert 'url = "tcp://10.77.0.1:50051"' in root.read("etc/zisk/worker.toml")
    assert not (root.folder / "etc/zisk/allowed").exists()
    second = root.done("worker", "gpu-8")
    assert second.split()[1] != line.split()[1]


@pytest.mark.slow
def test_taking_it_away_leaves_what_is_the_operators(root: Root):
    root.done("coordinator")
    root.done("worker", "w1")
    state = root.folder / "var/lib/zisk/coordinator/journal"
    state.mkdir(parents=True)
    before = root.files()
    root.done("uninstall")
    assert set(before) - set(root.files()) == {f"{UNITS}/zisk-coordinator.service", f"{UNITS}/zisk-worker@.service"}
    assert state.exists()
    refused = root.run("uninstall", "--purge")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    root.done("uninstall", "--purge", "--yes")
    assert root.files() == {}
    assert not state.exists()
    assert "zisk" not in root.read("etc/passwd") + root.read("etc/group")
    root.done("uninstall", "--purge", "--yes")


MISTAKES = {
    "no command": ([], "--help"),
    "unknown command": (["frobnicate"], "--help"),
    "unknown option": (["coordinator", "--frobnicate"], "--help"),
    "option without value": (["worker", "w1", "--server-key"], "needs a value"),
    "coordinator with a name": (["coordinator", "one"], "leave out one"),
    "worker without a name": (["worker"], "scripts/install worker w1"),
    "bad name": (["worker", "../w1"], "take letters"),
    "which coordinator": (["worker", "w1"], "--coordinator-url tcp://HOST:50051"),
    "which key": (["worker", "w1", "--coordinator-url", "tcp://h:1"], "zisk key show"),
    "bad key": (["worker", "w1", "--coordinator-url", "tcp://h:1", "--server-key", "short"], "40 characters"),
    "no commands there": (["coordinator", "--bin", "/nowhere"], "leave out --bin"),
    "no such wheel": (["coordinator", "--package", "nowhere.whl"], "leave out --package"),
    "no Python in the root": (["coordinator"], "apt-get install python3"),
    "nothing to upgrade": (["upgrade"], "nothing is installed"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_the_next_step(name: str, root: Root):
    words, hint = MISTAKES[name]
    command = [ROOT / "scripts" / "install", *words[:1]] + (["--root", root.folder, *words[1:]] if words else [])
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    (line,) = said.stderr.splitlines()
    assert line.startswith("install: ")
    assert hint in line
    assert not (root.folder / UNITS).exists()


def test_help_shows_every_option():
    said = subprocess.run([ROOT / "scripts" / "install", "--help"], capture_output=True, text=True, check=True).stdout
    script = (ROOT / "scripts" / "install").read_text()
    options = set(re.findall(r"^\s+(--[a-z-]+)(?: \|.*)?\)", script, re.MULTILINE)) | set(re.findall(r"(--[a-z-]+) \| ", script))
    assert {"--root", "--bin", "--purge", "--server-key"} <= options
    assert [option for option in options - {"--help"} if option not in said] == []


# ---------------------------------------------------------------------------------------------------------------------- the units


@pytest.fixture
def units(tmp_path: Path) -> dict[str, Path]:
    """The units as they are installed, with the commands of this environment; the worker's as that of one name."""
    folder = tmp_path / "units"
    folder.mkdir()
    made = {}
    for name in ("zisk-coordinator.service", "zisk-worker@.service"):
        unit = folder / name
        unit.write_text((DEPLOY / "systemd" / name).read_text().replace("@bin@", str(BIN)))
        made[name] = unit
    instance = folder / "zisk-worker@w1.service"
    shutil.copy(made["zisk-worker@.service"], instance)
    return {"coordinator": made["zisk-coordinator.service"], "worker": instance}


@pytest.mark.parametrize("who", ["coordinator", "worker"])
def test_systemd_finds_nothing_wrong(who: str, units: dict[str, Path]):
    said = subprocess.run([tool("systemd-analyze"), "verify", units[who]], capture_output=True, text=True, check=False)
    ours = [line for line in said.stderr.splitlines() if "zisk" in line]
    assert (said.returncode, ours) == (0, [])


@pytest.mark.parametrize("who", ["coordinator", "worker"])
def test_systemd_finds_little_that_it_may_do(who: str, units: dict[str, Path]):
    command = [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE}", units[who]]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    loose = subprocess.run([*command[:-1], _loosened(units[who])], capture_output=True, text=True, check=False)
    assert loose.returncode != 0, "the threshold notices nothing"


def _loosened(unit: Path) -> Path:
    """The same unit, which may use every call of the system."""
    text = "".join(line for line in unit.read_text().splitlines(keepends=True) if not line.startswith("SystemCallFilter"))
    unit.write_text(text)
    return unit


def test_a_stop_leaves_time_to_drain(units: dict[str, Path]):
    from zisk_actors.settings import CoordinatorConfig

    limit = int(re.findall(r"^TimeoutStopSec=(\d+)$", units["coordinator"].read_text(), re.MULTILINE)[0])
    assert limit > CoordinatorConfig().server.shutdown_timeout_seconds + 10


def test_exit_codes_that_no_restart_helps_are_ours(units: dict[str, Path]):
    from zisk_actors.actors.worker.connection import WorkerRefused
    from zisk_actors.errors import NotFoundError, UsageError

    def codes(who: str) -> set[int]:
        return {int(code) for code in re.findall(r"^RestartPreventExitStatus=(.*)$", units[who].read_text(), re.MULTILINE)[0].split()}

    assert codes("coordinator") == {UsageError.exit_code, NotFoundError.exit_code}
    assert codes("worker") == {UsageError.exit_code, NotFoundError.exit_code, WorkerRefused.exit_code}


@pytest.mark.slow
def test_shellcheck_finds_nothing():
    said = subprocess.run([tool("shellcheck"), "-x", "scripts/install"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
