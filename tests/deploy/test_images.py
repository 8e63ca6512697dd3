"""The image for processors, built by its Dockerfile's own steps in a plain Debian, and the Compose stack on it, to a proof.

What this pins down: the steps run, the image holds what it needs and no compiler, and its services prove with no more rights than the stack
gives them. There is no Docker in this: `plain_root.py` says what is different. The CUDA image is not built, for want of NVIDIA's.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT
from tests.deploy.dockerfile import Stage
from tests.deploy.plain_root import Stack, build, inside, make_debian, needs_root_and_debian
from tests.deploy.test_compose import COMPOSE, services

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Stage]]:
    """The root of the image, and its last stage."""
    needs_root_and_debian()
    folder = tmp_path_factory.mktemp("image")
    make_debian(folder / "base")
    yield build("cpu", folder / "base", folder)
    subprocess.run(["rm", "-rf", folder], check=False)


def test_the_image_has_the_commands_and_no_compiler(image: tuple[Path, Stage]):
    root, stage = image
    environment = stage.environment()
    for name in ("zisk", "zisk-coordinator", "zisk-worker"):
        inside(root, "setpriv", "--reuid=998", "--regid=999", "--clear-groups", name, "--version", environment=environment)
    assert inside(root, "id", "-nu", "998").strip() == "zisk"
    assert inside(root, "sh", "-c", "command -v g++ gcc pip || true") == ""
    for name in ("var/lib/zisk", "var/cache/zisk"):
        what = (root / name).stat()
        assert (what.st_uid, what.st_gid, what.st_mode & 0o777) == (998, 999, 0o700)


def test_the_stack_proves(image: tuple[Path, Stage], tmp_path: Path):
    root, stage = image
    (tmp_path / "run").mkdir()
    stack = Stack(services(), COMPOSE, root, stage, tmp_path / "run")
    try:
        stack.run("keys")
        coordinator = stack.start("coordinator")
        worker = stack.start("worker", ZISK_WORKER_METRICS_PORT="9092")
        deadline = time.monotonic() + 120
        while "Registration accepted" not in worker.read_text():
            assert time.monotonic() < deadline, stack.logs()
            time.sleep(0.2)
        assert "metrics server listening" in coordinator.read_text()
        health = services()["coordinator"]["healthcheck"]["test"][1:]
        stack.run("coordinator", *health)
        shutil.copy(ROOT / "tests" / "guests" / "fibonacci.elf", root / "usr" / "share")
        stack.run("zisk", "status")
        stack.run("zisk", "prove", "/usr/share/fibonacci.elf", "--params", "test", "-o", "/tmp/proof.bin")
    finally:
        stack.stop()
