"""Row 10: a restart with more to read in the log.

What this pins down: the level can be set by RUST_LOG, by `--log-level` and by the settings on both daemons, RUST_LOG first; a level that
does not exist is refused by name. An operator, and nobody else, changes it while a daemon runs: `zisk log-level LEVEL [--worker ID]`.
Victim: the log of a process.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, daemon, lines, process, said
from zisk_actors import log
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import new_keypair
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("level", "rust_log", "debug"), [("info", "", False), ("debug", "", True), ("info", "debug", True), ("debug", "error", False)]
)
def test_rust_log_goes_over_the_setting(level: str, rust_log: str, debug: bool, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        log.configure(level, "compact", rust_log=rust_log)
        log.get().debug("a detail")
        log.get().error("a trouble")
    finally:
        said = capsys.readouterr().err
        structlog.reset_defaults()
    assert ("a detail" in said) is debug
    assert "a trouble" in said


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("role", ["coordinator", "worker"])
def test_both_daemons_take_the_flag(role: str) -> None:
    code, out, _ = daemon(role, "--log-level", "debug", "--check-config")
    assert code == 0
    assert "logging.level = 'debug'  # command line" in out
    code, _, err = daemon(role, "--log-level", "loud", "--check-config")
    assert code == 2
    assert "logging.level is trace, debug, info, warn or error" in err


def test_the_level_changes_for_loggers_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        log.configure("debug", "compact", rust_log="error")
        words = log.get(worker="a")
        words.info("before")
        log.set_level("debug")
        words.debug("after")
        assert log.level() == "debug"
        log.set_level("error")
        words.warning("too late")
    finally:
        text = capsys.readouterr().err
        structlog.reset_defaults()
    assert "before" not in text
    assert "after worker=a" in text
    assert "too late" not in text


@pytest.mark.slow
@pytest.mark.cluster
def test_an_operator_changes_it_while_the_daemons_run(start: Start) -> None:
    cluster = start(workers=1, log_level="error")
    coordinator, worker = (Path(process(cluster, name).log) for name in ("coordinator", "worker-1"))
    with cluster.connect() as client:
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
        assert not lines(coordinator, "assigned")
        assert not lines(worker, "task started")
        client.set_log_level("debug")
        client.set_log_level("info", worker="worker-1")
        assert said(cluster, "worker-1", "log level changed by an operator", "now=info")
        assert client.wait(client.submit(Kind.EXECUTE, ELF, stdin=b"2"), seconds=30).state is State.COMPLETED
        assert said(cluster, "coordinator", "assigned share to worker")
        assert said(cluster, "worker-1", "task started")
        assert client.cluster().log_level == "debug"
        with pytest.raises(ClusterRefused, match="no worker nobody is connected"):
            client.set_log_level("debug", worker="nobody")
    keys = new_keypair()
    AllowList(cluster.folder / "keys" / "allowed").add("client", keys.public, "guest")
    with BlockingClient(cluster.client_url, cluster.server_key, keys) as guest:
        assert guest.cluster().role == "client"
        with pytest.raises(ClusterRefused, match="needs the role operator"):
            guest.set_log_level("error")
