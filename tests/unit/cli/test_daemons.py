"""The daemons' command lines: settings shown, mistakes refused in one line with the exit code of the tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import structlog
import trio
from click.testing import CliRunner, Result

from zisk_actors.cli import daemon
from zisk_actors.cli.coordinator import main as coordinator
from zisk_actors.cli.worker import main as worker
from zisk_actors.transport.auth import new_keypair, write_keypair

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ZISK_HOME", str(tmp_path / "zisk"))

    def call(command: click.Command, *arguments: str) -> Result:
        return CliRunner().invoke(command, arguments)

    before = os.umask(0o022)
    os.umask(before)
    yield call
    os.umask(before)
    structlog.reset_defaults()


def test_check_config_shows_every_setting_and_where_it_is_from(run: Run, tmp_path: Path) -> None:
    (tmp_path / "coordinator.toml").write_text("[server]\nport = 7001\n")
    result = run(coordinator, "--check-config", "--cluster-port", "50052")
    assert result.exit_code == 0
    assert "server.port = 7001  # coordinator.toml" in result.output
    assert "coordinator.port = 50052  # command line" in result.output
    assert run(worker, "--check-config", "--worker-id", "w-7").output.startswith("worker.worker_id = 'w-7'  # command line")


@pytest.mark.parametrize("command", [coordinator, worker])
def test_what_a_daemon_writes_is_for_nobody_else(run: Run, tmp_path: Path, command: click.Command) -> None:
    os.umask(0)
    run(command, "--check-config")
    (tmp_path / "file").touch()
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


def test_check_config_says_what_rust_log_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUST_LOG", "debug,hyper=warn")
    assert (
        "# RUST_LOG is 'debug,hyper=warn' and wins over logging.level; parts that mean nothing here: hyper=warn"
        in run(coordinator, "--check-config").output
    )


def test_check_config_checks_the_address(run: Run) -> None:
    assert run(worker, "--check-config", "-c", "host:1").exit_code == 0
    assert run(worker, "--check-config", "-c", "https://host:1").exit_code == 2


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        ("[server]\nprot = 1\n", (), 2, "coordinator.toml:2: there is no setting server.prot (did you mean server.port?)"),
        ("", ("--config", "none.toml"), 3, "there is no configuration file none.toml"),
        ("", ("--api-port", "70000"), 2, "command line: server.port"),
        ("", ("--log-level", "loud"), 2, "logging.level"),
        ("", ("--metrics-port", "7000"), 2, "server.port and metrics.port are both 7000"),
        ("[coordinator]\nconfig_file = 'none.toml'\n", (), 3, "there is no configuration file none.toml"),
        ("[logging]\nfile_path = '/proc/none/it.log'\n", (), 2, "cannot write the log /proc/none/it.log"),
        ("[security]\nkey_file = 'none.key'\n", (), 3, "there is no key file none.key"),
    ],
)
def test_mistakes_of_the_coordinator(run: Run, tmp_path: Path, text: str, arguments: tuple[str, ...], code: int, words: str) -> None:
    (tmp_path / "coordinator.toml").write_text(text)
    result = run(coordinator, *arguments)
    assert result.exit_code == code
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_limit_of_open_files_that_is_too_low_is_refused_at_the_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (1024, 1024))
    result = run(coordinator)
    assert result.exit_code == 2
    assert "security.max_connections is 2000, which takes up to 4500 open files, and this process may have 1024" in result.output
    assert "or set it to 262" in result.output


def test_mistakes_of_the_worker(run: Run, tmp_path: Path) -> None:
    assert "security.key_file" in run(worker).output
    write_keypair(tmp_path / "it.key", new_keypair())
    settings = f"[security]\nkey_file = '{tmp_path / 'it.key'}'\nserver_key = '{new_keypair().public}'\n"
    (tmp_path / "worker.toml").write_text(settings)
    result = run(worker, "-c", "https://host:1")
    assert result.exit_code == 2
    assert "is not the address of a coordinator" in result.output
    (tmp_path / "worker.toml").write_text(settings.replace("server_key = '", "server_key = 'x"))
    assert "security.server_key: a public key is 40 characters" in run(worker).output


def test_what_the_system_refuses_is_named_and_no_bug_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.Path("/proc/nobody/here").write_bytes, b"")

    assert daemon.run(fail) == 2
    said = capsys.readouterr().err
    assert "error[system]: /proc/nobody/here: No such file or directory" in said
    assert "Traceback" not in said
