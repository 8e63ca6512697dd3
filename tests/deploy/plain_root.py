"""What Docker would do, where there is none: a Dockerfile's steps run in a plain Debian, and the services of a Compose file in namespaces.

Rules of this file: commands are those of the files, not ours; what is different from Docker is said where it is different. It needs root
and mmdebstrap, and takes packages from where this machine takes its own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import DEPLOY, ROOT, tool
from tests.deploy.dockerfile import Stage, read

ASKED = "ZISK_TEST_MACHINES"
ENTER = 'mount -t proc proc "$1/proc"; mount --bind /dev "$1/dev"; exec chroot "$@"'
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def needs_root_and_debian() -> None:
    """Skip where a plain Debian cannot be made, or nobody asked for it: it takes many minutes."""
    if not os.environ.get(ASKED):
        pytest.skip("makes a Debian of its own: scripts/check-deploy --machines")
    if os.geteuid() != 0:
        pytest.skip("a system of its own can be made by root only")
    for program in ("mmdebstrap", "unshare", "chroot", "setpriv", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here; on Debian: apt-get install mmdebstrap iproute2 util-linux")


def make_debian(folder: Path, *packages: str, suite: str = "bookworm") -> None:
    """A Debian in a folder, with no more than packages name, and with this machine's way to the registries."""
    include = [f"--include={','.join(packages)}"] if packages else []
    subprocess.run(["mmdebstrap", "--variant=minbase", *include, suite, folder], check=True, capture_output=True, timeout=900)
    shutil.copy("/etc/resolv.conf", folder / "etc" / "resolv.conf")
    (folder / "etc" / "ssl" / "certs").mkdir(parents=True, exist_ok=True)


def inside(root: Path, *words: str, environment: dict[str, str] | None = None, timeout: float = 900) -> str:
    """Run a command in a root, as root; what it printed. Raises `AssertionError` with all that it said."""
    if BUNDLE.exists():  # what this machine trusts on its way to the registries
        shutil.copy(BUNDLE, root / BUNDLE.relative_to("/"))
    plain = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_") and name != "PIP_FIND_LINKS"}
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", ENTER, "sh", root, *words],
        env={**plain, **pip, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert said.returncode == 0, f"{shlex.join(words)}\n{said.stdout[-3000:]}\n{said.stderr[-3000:]}"
    return said.stdout


def sent(name: str) -> list[str]:
    """What Docker is sent of the sources, by the file beside the Dockerfile."""
    lines = (DEPLOY / "docker" / f"{name}.Dockerfile.dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def run_stage(stage: Stage, root: Path, roots: dict[str, Path]) -> None:
    """Run the steps of a stage in `root`; `roots` are those of the stages before."""
    folder = "/"
    environment: dict[str, str] = {}
    for word, words in stage.steps:
        if word == "WORKDIR":
            folder = words
            (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(words))
        elif word == "RUN":
            inside(root, "sh", "-ec", f"cd {folder}\n{words}", environment=environment)
        elif word == "COPY":
            _copy(words, root, folder, roots)


def _copy(words: str, root: Path, folder: str, roots: dict[str, Path]) -> None:
    origin = ROOT
    if match := re.match(r"--from=(\w+) ", words):
        origin, words = roots[match[1]], words[match.end() :]
    *names, target = words.split()
    place = root / (target if target.startswith("/") else f"{folder}/{target}").lstrip("/")
    for name in names:
        what = origin / name.lstrip("/")
        if what.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "_native") if origin == ROOT else None
            shutil.copytree(what, place, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(what, place)


def build(name: str, base: Path, folder: Path) -> tuple[Path, Stage]:
    """The root of an image, built as its Dockerfile says from a copy of `base`, and its last stage."""
    roots: dict[str, Path] = {}
    for stage in read(DEPLOY / "docker" / f"{name}.Dockerfile"):
        root = folder / (stage.name or "image")
        subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
        run_stage(stage, root, roots)
        roots[stage.name] = root
    return root, stage


class Stack:
    """Services of a Compose file on the root of an image: each with its user, volumes, read-only root and command. Unlike in Docker they
    share one network, in which every service is 127.0.0.1."""

    def __init__(self, services: dict[str, Any], compose: Path, image: Path, stage: Stage, folder: Path) -> None:
        self._services = services
        self._compose = compose
        self._image = image
        self._stage = stage
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._volumes: dict[str, Path] = {}
        with (image / "etc" / "hosts").open("w") as hosts:
            hosts.write("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *services)))
        self._network = f"zk-stack-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self._network], check=True)
        subprocess.run(["ip", "-n", self._network, "link", "set", "lo", "up"], check=True)

    def command(self, name: str, *words: str, environment: dict[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
        """What starts a service, with other words than its own where there are any; and its environment."""
        service = self._services[name]
        lines = ["mount --make-rprivate /", f"mount --bind {self._image} {self._image}", f"cd {self._image}", "mount -t proc proc proc"]
        lines += ["mount --bind /dev dev", "mount -t tmpfs -o size=256m tmpfs tmp", "chmod 1777 tmp"]
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":") if ":" in volume else (f"{name}{volume.replace('/', '-')}", volume)
            place = self._mount_point(source, target)
            lines.append(f"mount --bind {place} .{target}")
            if mode == ["ro"]:
                lines.append(f"mount -o remount,bind,ro .{target}")
        user, group = service["user"].split(":")
        rights = f"setpriv --reuid {user} --regid {group} --clear-groups --bounding-set=-all"
        lines += ["mount -o remount,bind,ro .", f'exec chroot . {rights} "$@"']
        image = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", **self._stage.environment()}
        folder = service.get("working_dir", self._stage.all("WORKDIR")[-1])
        shell = ["sh", "-ec", f'cd {folder}; exec "$@"', "sh", *service.get("entrypoint", []), *(words or service["command"])]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", "\n".join(lines), "sh"]
        start = ["ip", "netns", "exec", self._network, *namespaces]
        return [*start, *shell], {**image, **service.get("environment", {}), **(environment or {})}

    def _mount_point(self, source: str, target: str) -> Path:
        """Where a volume is: a file of the sources, or a folder that begins as what the image has there, with its owner."""
        point = self._image / target.lstrip("/")
        if source.startswith("."):
            point.parent.mkdir(parents=True, exist_ok=True)
            point.touch()
            return (self._compose / source).resolve()
        if source not in self._volumes:
            place = self._volumes[source] = self._folder / source.strip("/")
            place.mkdir()
            owner = point.stat()
            os.chown(place, owner.st_uid, owner.st_gid)
            place.chmod(owner.st_mode & 0o7777)
        return self._volumes[source]

    def run(self, name: str, *words: str) -> str:
        """Run a service to its end; what it printed."""
        command, environment = self.command(name, *words)
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert said.returncode == 0, said.stdout + said.stderr + self.logs()
        return said.stdout

    def start(self, name: str, **environment: str) -> Path:
        """Start a service that stays; its log."""
        command, given = self.command(name, environment=environment)
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            self._running.append(subprocess.Popen(command, env=given, stdin=subprocess.DEVNULL, stdout=output, stderr=output))
        return log

    def logs(self) -> str:
        return "\n".join(f"{path.name}\n{path.read_text()[-2000:]}" for path in self._folder.glob("*.log"))

    def stop(self) -> None:
        for child in self._running:
            child.kill()  # with it goes the first process of its namespace, and all others there
            with suppress(subprocess.TimeoutExpired):
                child.wait(20)
        subprocess.run(["ip", "netns", "del", self._network], check=False)


__all__ = ["Stack", "build", "inside", "make_debian", "needs_root_and_debian", "tool"]
