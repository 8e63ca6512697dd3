"""One call of a webhook: where it goes, what it says, how it is signed, and the sending of it.

The signature is that of the Standard Webhooks specification: HMAC-SHA256 with the shared secret over `id.timestamp.body`, in base64 behind
`v1,`. The id is that of the job, which ends once: whoever has seen it has seen the call.

Rules of this file:
* http and https only; a redirect is not followed, nothing is taken from the environment, and of the answer only the status is read.
* The secret is in no log and no error; of the URL only the host is.
* Proof bytes are not sent: `result` names the blob, and the client's `result(job)` gives it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stat
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import trio

from zisk_actors.core.job import JobRecord
from zisk_actors.errors import UsageError, ZiskError
from zisk_actors.wire.values import State

POST_SECONDS: Final = 60.0
PLACEHOLDER: Final = "{$job_id}"
LEAST_SECRET: Final = 16
PREFIX: Final = "whsec_"


class NotDelivered(ZiskError):
    """The receiver could not be reached, or did not take it."""

    code = "webhook-not-delivered"


@dataclass(frozen=True)
class Target:
    """Where ends of jobs are told. Without a secret they are not signed."""

    url: str
    secret: bytes = field(default=b"", repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def url_of(self, job: str) -> str:
        """The placeholder replaced, or the job's id appended to the path."""
        if PLACEHOLDER in self.url:
            return self.url.replace(PLACEHOLDER, job)
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{job}"))


class ErrorBody(msgspec.Struct, frozen=True):
    """Why a job gave nothing: its failure's code, or `cancelled`."""

    code: str
    message: str


class ResultBody(msgspec.Struct, frozen=True):
    """What the job gave, to be fetched."""

    sha256: str
    bytes: int


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted, as JSON. The first six fields are those of the operator's manual."""

    job_id: str
    success: bool
    duration_ms: int
    executed_steps: int | None
    timestamp: str
    error: ErrorBody | None
    kind: str
    state: str
    result: ResultBody | None


Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
"""Sends a body to a URL with headers; the status of the answer. Raises `NotDelivered`."""


def check_url(url: str) -> str:
    """What is wrong with a URL; empty where nothing is."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    return "it takes an http:// or https:// URL with a host" if wrong else ""


def read_target(url: str, secret_file: str) -> Target | None:
    """The target that the settings name; None where they name none. Raises `UsageError`."""
    if not url:
        return None
    if problem := check_url(url):
        raise UsageError(f"coordinator.webhook_url: {problem}")
    if not secret_file:
        return Target(url)
    try:
        mode = stat.S_IMODE(Path(secret_file).stat().st_mode)
        text = Path(secret_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"coordinator.webhook_secret_file: cannot read {secret_file}: {error}") from None
    if mode & 0o077:
        raise UsageError(
            f"coordinator.webhook_secret_file: {secret_file} can be read by others (mode {mode:04o})",
            hint=f"chmod 600 {secret_file}, and change the secret",
        )
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode("ascii")
    except binascii.Error:
        raise UsageError(f"coordinator.webhook_secret_file: what follows {PREFIX} in {secret_file} is not base64") from None
    if len(secret) < LEAST_SECRET:
        raise UsageError(
            f"coordinator.webhook_secret_file: the secret in {secret_file} is shorter than {LEAST_SECRET} bytes",
            hint=f"`openssl rand -hex 32 > {secret_file}` makes one",
        )
    return Target(url, secret)


def body_of(job: JobRecord, executed_steps: int | None) -> bytes:
    """What is told of an ended job; the same bytes each time."""
    ended_at = job.ended_at if job.ended_at is not None else job.submitted.at
    began_at = job.started_at if job.started_at is not None else job.submitted.at
    error = None
    if job.failure is not None:
        error = ErrorBody(job.failure.code, job.failure.message)
    elif job.state is State.CANCELLED:
        error = ErrorBody("cancelled", job.reason)
    result = job.result if job.state is State.COMPLETED else None
    body = Body(
        job_id=job.job,
        success=job.state is State.COMPLETED,
        duration_ms=max(0, round(1000 * (ended_at - began_at))),
        executed_steps=executed_steps if job.state is State.COMPLETED else None,
        timestamp=datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        error=error,
        kind=job.kind.value,
        state=job.state.value,
        result=None if result is None else ResultBody(result.sha256, result.size),
    )
    return msgspec.json.encode(body)


def headers_of(target: Target, job: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of one attempt: the time of sending is signed too, so that an old call cannot be played again for ever."""
    headers = {"content-type": "application/json", "user-agent": "zisk_actors", "webhook-id": job, "webhook-timestamp": f"{now:.0f}"}
    if target.secret:
        signed = f"{job}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(target.secret, signed, hashlib.sha256).digest()
        headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
    return headers


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send it and read the status. Raises `NotDelivered`."""
    import httpx  # here, because it takes a while to load and most coordinators have no webhook

    try:
        with trio.fail_after(POST_SECONDS):
            async with (
                httpx.AsyncClient(timeout=POST_SECONDS, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", url, content=body, headers=dict(headers)) as answer,
            ):
                return answer.status_code
    except trio.TooSlowError:
        raise NotDelivered(f"no answer in {POST_SECONDS:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise NotDelivered(f"{type(error).__name__}: {error}"[:400]) from None
