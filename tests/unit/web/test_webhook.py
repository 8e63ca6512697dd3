"""One call of the webhook: its URL, its body, its signature as a receiver checks it, and what is no target."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from tests.unit.core.test_job import BLOB, EVENTS, PATHS, submitted
from zisk_actors.config import ConfigError, CoordinatorConfig, load
from zisk_actors.core.job import replay
from zisk_actors.core.job_events import Admitted, Cancelled, JobFailed
from zisk_actors.errors import UsageError
from zisk_actors.web.webhook import NotDelivered, Target, body_of, headers_of, post, read_target
from zisk_actors.wire.values import Kind

JOB = "01234567-89ab-4def-8123-456789abcdef"


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://h/hook", f"https://h/hook/{JOB}"),
        ("https://h/hook/", f"https://h/hook/{JOB}"),
        ("http://h:81", f"http://h:81/{JOB}"),
        ("https://h/hook?token=x", f"https://h/hook/{JOB}?token=x"),
        ("https://h/{$job_id}/end?job={$job_id}", f"https://h/{JOB}/end?job={JOB}"),
    ],
)
def test_the_id_is_in_the_url(url: str, called: str) -> None:
    assert Target(url).url_of(JOB) == called


def test_the_secret_is_in_no_representation() -> None:
    assert "hush" not in repr(Target("https://user:pass@h/x", b"hush hush hush hush"))
    assert Target("https://user:pass@h:8/x").host == "h:8"


@pytest.mark.parametrize("kind", Kind)
def test_the_body_of_a_completed_job(kind: Kind) -> None:
    job = replay([submitted(kind), *(EVENTS[event] for event in PATHS[kind])])
    assert job.started_at is not None
    assert job.ended_at is not None
    assert json.loads(body_of(job, 77)) == {
        "job_id": JOB,
        "success": True,
        "duration_ms": 1000 * (job.ended_at - job.started_at),
        "executed_steps": 77,
        "timestamp": f"1970-01-01T00:00:0{job.ended_at:.0f}.000Z",
        "error": None,
        "kind": kind.value,
        "state": "completed",
        "result": {"sha256": BLOB.sha256, "bytes": BLOB.size},
    }


def test_the_body_of_other_ends_says_why() -> None:
    failed = json.loads(body_of(replay([submitted(Kind.PROVE), EVENTS[Admitted], EVENTS[JobFailed]]), 5))
    assert (failed["success"], failed["executed_steps"], failed["error"]) == (False, None, {"code": "c", "message": "m"})
    cancelled = json.loads(body_of(replay([submitted(Kind.PROVE), EVENTS[Cancelled]]), None))
    assert (cancelled["success"], cancelled["error"]) == (False, {"code": "cancelled", "message": "enough"})
    assert cancelled["duration_ms"] == 6000


def test_a_receiver_can_check_the_signature() -> None:
    headers = headers_of(Target("https://h", b"secret"), JOB, b'{"a":1}', 1700000000.4)
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (JOB, "1700000000")
    expected = hmac.new(b"secret", f'{JOB}.1700000000.{{"a":1}}'.encode(), hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert "webhook-signature" not in headers_of(Target("https://h"), JOB, b"", 0)


def test_secrets_are_read_from_their_file(tmp_path: Path) -> None:
    plain, standard, short = tmp_path / "plain", tmp_path / "standard", tmp_path / "short"
    plain.write_text("0123456789abcdef0123\n")
    standard.write_text("whsec_" + base64.b64encode(bytes(range(24))).decode())
    short.write_text("hush")
    for file in (plain, standard, short):
        file.chmod(0o600)
    assert read_target("https://h", str(plain)) == Target("https://h", b"0123456789abcdef0123")
    assert read_target("https://h", str(standard)) == Target("https://h", bytes(range(24)))
    assert read_target("https://h", "") == Target("https://h")
    assert read_target("", str(short)) is None
    with pytest.raises(UsageError, match="shorter than 16"):
        read_target("https://h", str(short))
    with pytest.raises(UsageError, match="cannot read"):
        read_target("https://h", str(tmp_path / "none"))
    plain.chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others") as refused:
        read_target("https://h", str(plain))
    assert refused.value.hint == f"chmod 600 {plain}, and change the secret"
    standard.write_text("whsec_!")
    with pytest.raises(UsageError, match="base64"):
        read_target("https://h", str(standard))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x", "h/x", "https://", "http://[::1", "http://h:99999/"])
def test_a_url_that_is_none_is_refused_with_the_settings(url: str, tmp_path: Path) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text(f'[coordinator]\nwebhook_url = "{url}"\n')
    with pytest.raises(ConfigError, match=r"coordinator\.webhook_url: it takes an http"):
        load(CoordinatorConfig, [(file, True)], {}, {}, {})


async def test_who_is_not_there_is_not_delivered_to() -> None:
    with pytest.raises(NotDelivered):
        await post("http://127.0.0.1:9/x", b"{}", {})
    with pytest.raises(NotDelivered):
        await post("http://" + "a" * 300 + "/x", b"{}", {})
