"""Row 10: a restart with more to read in the log.

What this pins down: the level can be set by RUST_LOG, by `--log-level` and by the settings on both daemons, RUST_LOG first; a level that
does not exist is refused by name.
Victim: the log of a process.
"""

from __future__ import annotations

import pytest
import structlog

from tests.faults.stage import daemon
from zisk_actors import log

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
