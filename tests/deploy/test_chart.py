"""The Helm chart, rendered by Helm's own engine: each object is one that Kubernetes knows, and says what docs/deployment.md says.

What this pins down: no value that the schema accepts makes an object that Kubernetes refuses; the daemons take the settings that the chart
writes; probes ask for pages that exist; pods run as UID 998 and GID 999 and write where a volume is; the download of a proving key checks
the SHA-256 before it unpacks.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import tarfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import DEPLOY, ROOT, load_yaml, tool
from tests.deploy.test_alerts import complaints
from zisk_actors import backends, config
from zisk_actors.web.health import Health, Standing, health_pages

CHART = DEPLOY / "helm" / "zisk"
KEY = "8Dc=mGcs(Qr90>/ix>^8j>MxWs6Ov>78l>Hp.e)R"
SHA256 = "0123456789abcdef" * 4
KUBERNETES = ("1.25.0", "1.30.0")
"""The oldest release that the chart says it is for, and one of later years; the newest that there is a schema of is tried as well."""

Values = dict[str, Any]
Object = dict[str, Any]

CASES: dict[str, Values] = {
    "defaults": {},
    "workers only": {"coordinator": {"enabled": False}, "worker": {"coordinatorUrl": "tcp://zisk.example:50051"}},
    "coordinator only": {"worker": {"enabled": False}},
    "gpu and many-reader claim": {"worker": {"gpu": {"enabled": True, "count": 2}, "provingKey": {"strategy": "pvc"}}},
    "download": {"worker": {"provingKey": {"strategy": "download", "download": {"url": "https://keys.example/k.tar", "sha256": SHA256}}}},
    "autoscaling and operator": {"worker": {"autoscaling": {"enabled": True}}, "monitoring": {"podMonitor": True, "alerts": True}},
    "everything set": {
        "image": {"repository": "registry.example/zisk", "tag": "1", "pullSecrets": [{"name": "mine"}]},
        "coordinator": {
            "config": "[coordinator]\nmax_workers_per_job = 20\n",
            "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
            "state": {"storageClass": "fast"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
        },
        "worker": {
            "config": "[worker]\ncache_bytes = 1073741824\n",
            "nodeSelector": {"gpu": "yes"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
            "podDisruptionBudget": {"maxUnavailable": "25%"},
        },
        "networkPolicy": {
            "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "monitoring": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "workers": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
            "coordinatorEgress": [{"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}], "ports": [{"port": 443}]}],
            "workerEgress": [{"ports": [{"port": 443}]}],
        },
    },
}


@pytest.fixture(scope="module")
def helm() -> Any:  # Any: Helm's engine is a module without our types
    return pytest.importorskip("helm_python", reason="Helm's engine comes with scripts/check-deploy")


def merged(values: Values) -> Values:
    """The values of a case, with what every release needs."""
    worker = {"serverKey": KEY, **values.get("worker", {})}
    return {**values, "worker": worker}


def render(helm: Any, values: Values) -> list[Object]:
    yaml = pytest.importorskip("yaml")
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(merged(values))
        pages = chart.render(merged(values), name="demo", namespace="proving")
    return [each for name, text in sorted(pages.items()) if name.endswith(".yaml") for each in yaml.safe_load_all(text) if each]


def only(objects: list[Object], kind: str, part: str = "") -> Object:
    (found,) = [each for each in objects if each["kind"] == kind and part in each["metadata"]["name"]]
    return found


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pods' specifications, by component."""
    workloads = [each for each in objects if each["kind"] in ("StatefulSet", "Deployment")]
    return {each["metadata"]["name"].rpartition("-")[2]: each["spec"]["template"]["spec"] for each in workloads}


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_wrong(case: str, helm: Any):
    said = helm.lint(str(CHART), merged(CASES[case]), strict=True)
    assert said["errors"] == []
    assert [each for each in said["messages"] if each["severity"] > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_object(case: str, helm: Any):
    judge = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes come with scripts/check-deploy")
    objects = render(helm, CASES[case])
    assert objects
    for each in objects:
        if each["apiVersion"].startswith(("keda.sh", "monitoring.coreos.com")):
            assert set(each) == {"apiVersion", "kind", "metadata", "spec"}
            continue
        for version in (*KUBERNETES, judge.latest_version()):
            judge.validate(each, version, strict=True)


def test_the_judge_notices(helm: Any):
    judge = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes come with scripts/check-deploy")
    service = only(render(helm, {}), "Service")
    service["spec"]["publishNotReadyAddreses"] = True
    with pytest.raises(judge.ValidationError):
        judge.validate(service, KUBERNETES[0], strict=True)


@pytest.mark.parametrize("case", CASES)
def test_the_daemons_take_the_settings(case: str, helm: Any, tmp_path: Path):
    for each in render(helm, CASES[case]):
        if each["kind"] != "ConfigMap":
            continue
        kind, names = (
            (config.CoordinatorConfig, config.COORDINATOR_ENVIRONMENT)
            if "coordinator.toml" in each["data"]
            else (config.WorkerConfig, config.WORKER_ENVIRONMENT)
        )
        files = []
        for name, text in sorted(each["data"].items(), key=lambda item: item[0] == "settings.toml"):
            (tmp_path / name).write_text(text)
            files.append((tmp_path / name, True))
        settings, origins = config.load(kind, files, {}, names, {})  # type: ignore[type-var]
        assert origins.ignored == {}
        assert settings.security.key_file.startswith("/run/zisk/keys/")
    if case == "everything set":
        assert (
            tomllib.loads(only(render(helm, CASES[case]), "ConfigMap", "worker")["data"]["settings.toml"])["worker"]["cache_bytes"] == 2**30
        )


@pytest.mark.parametrize("case", CASES)
def test_pods_are_nobodys_root_and_write_where_a_volume_is(case: str, helm: Any):
    for name, pod in pods(render(helm, CASES[case])).items():
        security = pod["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"], security["runAsNonRoot"]) == (998, 999, 999, True)
        volumes = {each["name"] for each in pod["volumes"]} | ({"state"} if name == "coordinator" else set())
        used = set()
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            used |= {each["name"] for each in container["volumeMounts"]}
        assert used == volumes
        writable = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"] if not each.get("readOnly")}
        assert writable == {"/tmp", "/var/lib/zisk" if name == "coordinator" else "/var/cache/zisk"}


def test_probes_ask_for_pages_that_exist(helm: Any):
    pages = health_pages(lambda: Health(standing=Standing.SERVING, version="", uptime_seconds=0))
    for pod in pods(render(helm, {})).values():
        (container,) = pod["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        asked = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert all(get["path"] in pages and get["port"] in ports for get in asked.values())
        assert asked["livenessProbe"]["path"] == "/livez", "a coordinator that takes no new work is not to be killed"
        assert asked["readinessProbe"]["path"] == "/readyz"


def test_a_stop_leaves_time_to_drain(helm: Any):
    limit = config.CoordinatorConfig().server.shutdown_timeout_seconds
    assert pods(render(helm, {}))["coordinator"]["terminationGracePeriodSeconds"] > limit + 10
    refused(helm, {"coordinator": {"terminationGracePeriodSeconds": limit}})


def test_the_service_and_the_policies_name_ports_that_pods_have(helm: Any):
    objects = render(helm, CASES["everything set"])
    ports = {name: {port["name"] for port in pod["containers"][0]["ports"]} for name, pod in pods(objects).items()}
    assert {port["targetPort"] for port in only(objects, "Service")["spec"]["ports"]} == ports["coordinator"]
    assert only(objects, "Service")["spec"]["publishNotReadyAddresses"] is True
    for name in ("coordinator", "worker"):
        policy = only(objects, "NetworkPolicy", name)["spec"]
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports[name]
        assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == name
        assert all(rule["from"] for rule in policy["ingress"])
    egress = only(objects, "NetworkPolicy", "worker")["spec"]["egress"]
    assert egress[0]["ports"] == [{"port": "worker"}]
    assert {port["port"] for port in egress[1]["ports"]} == {53}


def test_one_coordinator_and_its_workers_know_each_other(helm: Any):
    objects = render(helm, {})
    assert only(objects, "StatefulSet")["spec"]["replicas"] == 1
    assert only(objects, "StatefulSet")["spec"]["serviceName"] == only(objects, "Service")["metadata"]["name"]
    settings = tomllib.loads(only(objects, "ConfigMap", "worker")["data"]["worker.toml"])
    assert settings["coordinator"]["url"] == f"tcp://{only(objects, 'Service')['metadata']['name']}:50051"
    assert settings["security"]["server_key"] == KEY
    many = {"worker": {"replicas": 500}}
    core = tomllib.loads(only(render(helm, many), "ConfigMap", "coordinator")["data"]["coordinator.toml"])
    assert core["security"]["max_connections_per_key"] >= 1000
    environment = {each["name"] for each in pods(objects)["worker"]["containers"][0]["env"]}
    assert {name for name in environment if name.startswith("ZISK_WORKER_")} <= set(config.WORKER_ENVIRONMENT)


def test_gpus_and_the_proving_key(helm: Any):
    pod = pods(render(helm, CASES["gpu and many-reader claim"]))["worker"]
    (container,) = pod["containers"]
    assert container["image"].endswith("-cuda")
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2, "cpu": "8", "memory": "32Gi"}
    claim = {"name": "proving-key", "persistentVolumeClaim": {"claimName": "zisk-bundle", "readOnly": True}}
    assert claim in pod["volumes"]
    assert {"name": "proving-key", "mountPath": "/opt/zisk", "readOnly": True} in container["volumeMounts"]
    download = pods(render(helm, CASES["download"]))["worker"]
    assert {"name": "proving-key", "emptyDir": {"sizeLimit": "80Gi"}} in download["volumes"]
    plain = pods(render(helm, {}))["worker"]
    assert "proving-key" not in str(plain)
    assert "nvidia" not in str(plain)
    assert not plain["containers"][0]["image"].endswith("-cuda")


def test_scaling_asks_for_metrics_that_exist(helm: Any):
    objects = render(helm, CASES["autoscaling and operator"])
    scaled = only(objects, "ScaledObject")["spec"]
    deployment = only(objects, "Deployment")
    assert scaled["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    ours = 'namespace="proving"'
    queries = [trigger["metadata"]["query"] for trigger in scaled["triggers"]]
    assert all(ours in query for query in queries)
    assert any("coordinator_queue_depth" in query for query in queries)
    assert [wrong for query in queries for wrong in complaints(query.replace(ours, 'job="zisk-coordinator"'))] == []
    assert only(objects, "PrometheusRule")["spec"] == load_yaml(DEPLOY / "prometheus" / "alerts.yaml")
    jobs = {each["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["replacement"] for each in objects if each["kind"] == "PodMonitor"}
    assert jobs == {"zisk-coordinator", "zisk-worker"}


def refused(helm: Any, values: Values) -> str:
    """What Helm says to values that it refuses."""
    with pytest.raises(helm.HelmError) as said:
        render(helm, values)
    return str(said.value)


WRONG: dict[str, tuple[Values, str]] = {
    "no such key": ({"wroker": {}}, "wroker"),
    "no such strategy": ({"worker": {"provingKey": {"strategy": "image"}}}, "strategy"),
    "a key that is none": ({"worker": {"serverKey": "short"}}, "serverKey"),
    "no key": ({"worker": {"serverKey": ""}}, "zisk key show"),
    "no coordinator": ({"coordinator": {"enabled": False}}, "coordinatorUrl"),
    "an address without scheme": ({"worker": {"coordinatorUrl": "host:7000"}}, "coordinatorUrl"),
    "download without its hash": (
        {"worker": {"provingKey": {"strategy": "download", "download": {"url": "https://keys.example/k.tar"}}}},
        "sha256",
    ),
    "no GPUs": ({"worker": {"gpu": {"enabled": True, "count": 0}}}, "count"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_refused_by_name(name: str, helm: Any):
    values, word = WRONG[name]
    assert word in refused(helm, values)


def test_the_schema_knows_the_backends():
    """A backend that is new has to be let through here, and its image looked at."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]["worker"]["properties"]["backend"]["enum"]) == set(backends.NAMES)


def test_the_release_is_that_of_the_package():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = load_yaml(CHART / "Chart.yaml")
    assert chart["appVersion"] == version


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server on loopback with an archive; its address, and its SHA-256."""
    served = tmp_path / "served"
    (served / "provingKey").mkdir(parents=True)
    (served / "provingKey" / "version").write_text("0\n")
    with tarfile.open(served / "key.tar", "w") as tar:
        tar.add(served / "provingKey", "provingKey")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *words: Quiet(*words, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/key.tar", hashlib.sha256((served / "key.tar").read_bytes()).hexdigest()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("honest", [True, False])
def test_a_download_is_unpacked_only_with_its_hash(honest: bool, helm: Any, archive: tuple[str, str], tmp_path: Path):
    for program in ("curl", "tar", "sha256sum"):
        tool(program)
    url, sha256 = archive
    (own_key, download) = pods(render(helm, CASES["download"]))["worker"]["initContainers"]
    assert own_key["command"][0] == "install"
    folder = tmp_path / "proving-key"
    folder.mkdir()
    environment = {"URL": url, "SHA256": sha256 if honest else SHA256, "FOLDER": str(folder), "PATH": os.environ["PATH"]}
    assert {each["name"] for each in download["env"]} == {"URL", "SHA256", "FOLDER"}
    said = subprocess.run(download["command"], env=environment, capture_output=True, text=True, check=False)
    assert (said.returncode == 0) is honest, said.stderr
    assert [path.name for path in folder.iterdir()] == (["provingKey"] if honest else [])
    assert honest or "does not have the SHA-256" in said.stderr


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm here; the tests above run Helm's engine")
def test_the_command_helm_agrees(tmp_path: Path):
    values = tmp_path / "values.yaml"
    values.write_text(f"worker:\n  serverKey: '{KEY}'\n")
    for words in (("lint", "--strict", str(CHART)), ("template", "demo", str(CHART))):
        said = subprocess.run(["helm", *words, "--values", values], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
