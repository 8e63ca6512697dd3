"""The Compose stack and the Dockerfiles of its images.

What this pins down: the stack is one that Compose's own grammar accepts, with the manual's ports; daemons take its settings; nothing runs
as root or can write but where a volume is; images run as UID 998 and GID 999 and hold what the commands need; the keys are made once.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import dockerfile
from tests.deploy.conftest import BIN, DEPLOY, ROOT, load_yaml, tool
from zisk_actors import config

COMPOSE = DEPLOY / "compose"
IMAGES = {"cpu": "zisk-actors:{}", "cuda": "zisk-actors:{}-cuda"}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def interpolated() -> str:
    """The file with its variables unset, as Compose reads it then."""
    text = (COMPOSE / "compose.yaml").read_text()
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


@cache
def services() -> dict[str, Any]:  # Any: YAML
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(interpolated())["services"]  # type: ignore[no-any-return]


def judged(text: str) -> list[str]:
    """The services of a stack that Compose's grammar accepts. Raises `ValueError`."""
    judge = pytest.importorskip("compose_spec", reason="compose-spec comes with scripts/check-deploy")
    options = judge.PyOptions()
    options.apply_merge = True
    stack = options.from_yaml(text)
    stack.validate()
    return sorted(stack.service_names())


def test_compose_accepts_the_stack():
    names = judged(interpolated())
    assert names == ["coordinator", "grafana", "keys", "prometheus", "worker", "worker-gpu", "zisk"]


@pytest.mark.parametrize(("old", "new"), [("restart:", "restrat:"), ("networks: [zisk]", "networks: [zsk]"), ("on-failure", "sometimes")])
def test_the_judge_notices(old: str, new: str):
    with pytest.raises(ValueError, match=r".+"):
        judged(interpolated().replace(old, new, 1))


def test_the_ports_are_the_manuals():
    published = [port.rpartition(":")[2] for port in services()["coordinator"]["ports"]]
    assert published == ["7001", "50052", "9091"]
    files = [(COMPOSE / "coordinator.toml", True)]
    settings, origins = config.load(config.CoordinatorConfig, files, {}, config.COORDINATOR_ENVIRONMENT, {})
    assert (settings.server.port, settings.coordinator.port, settings.metrics.port) == (7001, 50052, 9091)
    assert origins.ignored == {}


def test_only_clients_come_from_outside_unless_asked():
    binds = dict(reversed(port.split(":", 1)) for port in services()["coordinator"]["ports"])
    assert binds == {"7001:7001": "0.0.0.0", "50052:50052": "127.0.0.1", "9091:9091": "127.0.0.1"}
    others = [port for name in ("prometheus", "grafana") for port in services()[name]["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in others)


def test_the_worker_dials_the_coordinator():
    files = [(COMPOSE / "worker.toml", True)]
    settings, origins = config.load(config.WorkerConfig, files, {}, config.WORKER_ENVIRONMENT, {})
    assert settings.coordinator.url == "tcp://coordinator:50052"
    assert (settings.metrics.enabled, settings.metrics.port, origins.ignored) == (True, 9091, {})
    named = {name for each in ("worker", "worker-gpu") for name in services()[each].get("environment", {})}
    assert named - {"RUST_LOG"} <= set(config.WORKER_ENVIRONMENT)


def test_nothing_is_root_or_writes_but_where_a_volume_is():
    for name in ("keys", "coordinator", "worker", "worker-gpu", "zisk"):
        service = services()[name]
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("998:999", True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    writable = {name: {each.split(":")[-1] for each in services()[name]["volumes"] if not each.endswith(":ro")} for name in services()}
    assert writable["coordinator"] == {"/var/lib/zisk"}
    assert writable["worker"] == writable["worker-gpu"] == {"/var/cache/zisk"}
    assert writable["zisk"] == set()


def test_secrets_are_where_they_belong():
    where = {name: {each.split(":")[0] for each in service.get("volumes", ()) if "-keys" in each} for name, service in services().items()}
    assert where["coordinator"] == {"coordinator-keys"}
    assert where["worker"] == where["worker-gpu"] == {"worker-keys"}
    assert where["zisk"] == {"operator-keys"}
    assert services()["keys"]["network_mode"] == "none"


def test_mounted_files_exist():
    for name, service in services().items():
        for each in service.get("volumes", ()):
            if each.startswith("."):
                assert (COMPOSE / each.split(":")[0]).exists(), (name, each)


def test_a_stop_leaves_time_to_drain():
    grace = int(services()["coordinator"]["stop_grace_period"].removesuffix("s"))
    assert grace > config.CoordinatorConfig().server.shutdown_timeout_seconds + 10


def test_grafana_finds_its_data_source_and_the_dashboard():
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = load_yaml(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = load_yaml(provisioning / "dashboards" / "zisk.yaml")["providers"]
    assert f"../grafana/dashboard.json:{provider['options']['path']}/zisk.json:ro" in services()["grafana"]["volumes"]
    assert "GF_AUTH_ANONYMOUS_ENABLED" not in services()["grafana"]["environment"]


@pytest.mark.slow
def test_keys_are_made_once_and_added_lines_stay(tmp_path: Path):
    for name in ("coordinator", "worker", "operator"):
        (tmp_path / name).mkdir()

    def make() -> None:
        command = ["sh", COMPOSE / "make-keys.sh", tmp_path]
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        subprocess.run(command, check=True, capture_output=True, timeout=60, env=environment)

    make()
    files = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert {str(path.relative_to(tmp_path)) for path in files} == {
        "coordinator/coordinator.key",
        "coordinator/allowed",
        "worker/worker.key",
        "worker/worker.toml",
        "operator/operator.key",
        "operator/server.key",
    }
    make()
    assert {path: path.read_bytes() for path in files} == files
    with (tmp_path / "coordinator" / "allowed").open("a") as file:
        file.write("client 8Dc=mGcs(Qr90>/ix>^8j>MxWs6Ov>78l>Hp.e)R anna\n")
    make()
    lines = (tmp_path / "coordinator" / "allowed").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["worker", "operator", "client"]
    layered = [(COMPOSE / "worker.toml", True), (tmp_path / "worker" / "worker.toml", True)]
    settings, _ = config.load(config.WorkerConfig, layered, {}, config.WORKER_ENVIRONMENT, {})
    assert settings.security.server_key == (tmp_path / "operator" / "server.key").read_text().strip()
    assert settings.security.key_file == str(tmp_path / "worker" / "worker.key")


# --------------------------------------------------------------------------------------------------------------------- the images


@pytest.mark.parametrize("name", IMAGES)
def test_hadolint_finds_nothing(name: str):
    said = subprocess.run([tool("hadolint"), DEPLOY / "docker" / f"{name}.Dockerfile"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_nobodys_root(name: str):
    build, run = dockerfile.read(DEPLOY / "docker" / f"{name}.Dockerfile")
    assert build.name == "build"
    assert run.all("USER") == ["998:999"]
    (made,) = run.all("RUN")
    assert "--uid 998 --gid 999" in made
    assert run.all("COPY") == ["--from=build /opt/zisk /opt/zisk"]
    assert run.environment()["PATH"].startswith("/opt/zisk/bin:")
    assert ("runtime" in run.base) is (name == "cuda")
    if name == "cuda":
        assert run.base.startswith("nvidia/cuda:")
        assert build.base == run.base.replace("runtime", "devel")
        assert "'.[cuda]'" in build.all("RUN")[-1]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_what_it_is_built_from(name: str):
    build, _ = dockerfile.read(DEPLOY / "docker" / f"{name}.Dockerfile")
    copied = {word for words in build.all("COPY") for word in words.split()[:-1]}
    assert all((ROOT / each).exists() for each in copied)
    sent = (DEPLOY / "docker" / f"{name}.Dockerfile.dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == copied
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {project["project"]["readme"], *project["project"]["license-files"], *project["build-system"]["backend-path"]} <= copied


def test_the_stack_and_the_pages_name_the_images_of_this_release():
    names = {service["image"] for service in services().values() if service["image"].startswith("zisk")}
    assert names == {image.format(VERSION) for image in IMAGES.values()}
    for name, image in IMAGES.items():
        text = (DEPLOY / "docker" / f"{name}.Dockerfile").read_text()
        assert f"docker build -f configs/deploy/docker/{name}.Dockerfile -t {image.format(VERSION)} ." in text
