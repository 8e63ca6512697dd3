"""The units under a real systemd, the first process of a Debian of its own in namespaces of its own: the page's commands, to a proof.

What this pins down: with all that the units forbid, the daemons start, prove, come back after a kill, are upgraded and leave nothing. There
is no network but loopback, so the wheels of the package and its dependencies are made before.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT
from tests.deploy.plain_root import inside, make_debian, needs_root_and_debian
from tests.deploy.test_docs import blocks

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(2400)]

BOOT = """
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
ln -s /proc/self/fd dev/fd
ip link set lo up
mkdir -p old
pivot_root . old
exec env -i container=plain PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'umount -l /old; exec /lib/systemd/systemd --unit=multi-user.target'
"""


class Machine:
    """A Debian whose first process is systemd."""

    def __init__(self, root: Path) -> None:
        self.root = root
        command = ["unshare", "-mpfuinC", "--kill-child", "sh", "-ec", BOOT, "sh", str(root)]
        self._said = root.parent / "boot.log"
        nothing = subprocess.DEVNULL
        with self._said.open("wb") as said:
            self._unshare = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=said, start_new_session=True)
        self._first = 0

    def wait(self) -> None:
        """Until it has started. Skips where this kernel or sandbox does not let it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._unshare.poll() is not None:
                pytest.skip(f"systemd cannot be started in namespaces here: {self._said.read_text()!r}")
            children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                self._first = int(children[0])
                if self.run("systemctl is-system-running --wait", check=False).stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.2)
        raise AssertionError("systemd did not start")

    def run(self, commands: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Paste a block of commands there, as root, in the folder of the sources."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/srv/wheels",
        }
        shell = ["sh", "-euc", f'sudo() {{ "$@"; }}\ncd /srv/sources 2>/dev/null || cd /\n{commands}']
        command = ["nsenter", "--all", f"--target={self._first}", *shell]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL)
        assert not check or said.returncode == 0, f"{commands}\n{said.stdout}\n{said.stderr}\n{self.log()}"
        return said

    def log(self) -> str:
        return self.run("journalctl --no-pager --output=cat --lines=60", check=False).stdout

    def stop(self) -> None:
        self._unshare.kill()
        self._unshare.wait(20)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    needs_root_and_debian()
    folder = tmp_path_factory.mktemp("machine")
    root = folder / "root"
    make_debian(root, "systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "ca-certificates", "procps")
    if inside(root, "python3", "-c", "import sys; print(sys.version_info[:2])").strip() != str(sys.version_info[:2]):
        pytest.skip("the wheels of this Python are of no use to that of the Debian that is made")
    (root / "srv" / "sources").mkdir()
    archive = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", root / "srv" / "sources"], input=archive, check=True)
    wheels = root / "srv" / "wheels"
    made = folder / "sources"  # a wheel is built in a copy: the build writes beside the sources
    shutil.copytree(root / "srv" / "sources", made)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir", wheels, "."]
    subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=1500)
    machine = Machine(root)
    try:
        machine.wait()
        yield machine
    finally:
        machine.stop()
        subprocess.run(["rm", "-rf", folder], check=False)


def test_the_pages_commands_on_a_real_machine(machine: Machine):
    (wheel,) = (machine.root / "srv" / "wheels").glob("zisk_actors-*.whl")
    install, prove, upgrade, uninstall = [commands for where, commands in blocks() if where == "one machine with both"]
    install = install.replace("install coordinator", f"install coordinator --package /srv/wheels/{wheel.name}")
    install = install.replace("worker w1", f"worker w1 --package /srv/wheels/{wheel.name}")
    machine.run(install)
    machine.run(install)  # and once more changes nothing
    machine.run("systemctl is-active zisk-coordinator zisk-worker@w1; systemctl is-enabled zisk-coordinator zisk-worker@w1")
    assert "valid" in machine.run(prove).stdout.splitlines()

    # A worker that is killed, and a coordinator that is, come back by themselves, and the cluster works.
    machine.run("systemctl kill --signal=KILL zisk-worker@w1 zisk-coordinator; sleep 12")
    machine.run("systemctl is-active zisk-coordinator zisk-worker@w1")
    assert "valid" in machine.run(prove).stdout.splitlines()

    # Neither has rights, nor can read what is the other's.
    for unit, other in (("zisk-coordinator", "/etc/zisk/worker-w1.key"), ("zisk-worker@w1", "/etc/zisk/coordinator.key")):
        pid = machine.run(f"systemctl show --property MainPID --value {unit}").stdout.strip()
        status = machine.run(f"cat /proc/{pid}/status").stdout
        assert "NoNewPrivs:\t1" in status
        assert "CapBnd:\t0000000000000000" in status
        assert "Seccomp:\t2" in status
        user = unit.split("@")[0]
        assert machine.run(f"setpriv --reuid {user} --regid {user} --clear-groups cat {other}", check=False).returncode != 0

    # Settings that cannot be are said once: starting again would not help.
    machine.run("cp /etc/zisk/worker-w1.toml /srv/w1.toml; echo frobnicate = 1 >> /etc/zisk/worker-w1.toml")
    machine.run("systemctl restart zisk-worker@w1; sleep 8")
    seen = machine.run("systemctl show --property ActiveState,NRestarts,ExecMainStatus zisk-worker@w1").stdout.split()
    assert sorted(seen) == ["ActiveState=failed", "ExecMainStatus=2", "NRestarts=0"]
    machine.run("cp /srv/w1.toml /etc/zisk/worker-w1.toml; systemctl restart zisk-worker@w1")

    machine.run(upgrade.replace("upgrade", f"upgrade --package /srv/wheels/{wheel.name}"))
    machine.run("systemctl is-active zisk-coordinator zisk-worker@w1")
    assert "valid" in machine.run(prove).stdout.splitlines()
    begun = time.monotonic()
    machine.run("systemctl stop zisk-worker@w1 zisk-coordinator")
    assert time.monotonic() - begun < 30
    assert machine.run("systemctl is-failed zisk-coordinator", check=False).stdout.strip() == "inactive"

    machine.run("systemctl start zisk-coordinator zisk-worker@w1")
    machine.run(uninstall)
    assert machine.run("systemctl is-active zisk-coordinator", check=False).returncode != 0
    left = machine.run("find / -xdev -name '*zisk*' -not -path '/srv/*' -not -path '/proc/*' -not -path '/sys/*'").stdout
    assert left == ""
