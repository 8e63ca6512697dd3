"""Row 4: a coordinator that only its own machine can reach.

What this pins down: the address to listen at is a setting, for both ports; at the start the log says who can reach the workers' port: on
loopback that nobody from elsewhere can, and which key changes it, as a warning where the environment is not development; beyond loopback
which address workers are given. Beyond loopback without a key on the allow-list it does not start.
Victim: a coordinator with the default address that is to serve other machines.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.stage import daemon, lines, running, until
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import new_keypair
from zisk_actors.transport.curve import is_loopback

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_what_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "coordinator.example"])
def test_what_is_beyond(host: str) -> None:
    assert not is_loopback(host)


def settings(folder: Path, host: str, environment: str) -> Path:
    file = folder / "coordinator.toml"
    file.write_text(
        f'[service]\nenvironment = "{environment}"\n[server]\nport = 0\n[coordinator]\nport = 0\nhost = "{host}"\n'
        f'[metrics]\nport = 0\n[store]\nfolder = "{folder / "state"}"\n[logging]\nformat = "compact"\n'
    )
    return file


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize(("environment", "level"), [("development", "info"), ("production", "warning")])
def test_loopback_is_said_and_what_changes_it(environment: str, level: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running("coordinator", log, "--config", settings(tmp_path, "", environment)):
        (line,) = until(lambda: log.exists() and lines(log, "only workers on this machine can connect"), "who can reach it", 30) or []
    assert f" {level} " in line
    assert "coordinator.host" in line


@pytest.mark.cluster
@pytest.mark.slow
def test_beyond_loopback_says_what_workers_are_given_and_needs_keys(tmp_path: Path) -> None:
    file = settings(tmp_path, "0.0.0.0", "production")
    code, _, err = daemon("coordinator", "--config", file)
    assert code == 2
    assert "allows no key at the worker port" in err
    AllowList(tmp_path / "state" / "allowed").add("worker", new_keypair().public, "w1")
    log = tmp_path / "log"
    with running("coordinator", log, "--config", file):
        (line,) = until(lambda: log.exists() and lines(log, "workers on other machines connect with"), "the address", 30) or []
    assert "url=tcp://" in line
