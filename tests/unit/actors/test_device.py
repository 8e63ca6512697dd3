"""A device and its child: calls, limits, deaths. Real processes with the fake prover."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.cluster.fake_prover import FakeGuestTrapped
from zisk_actors.actors.compute import broke
from zisk_actors.actors.device import CallFailed, Device, DeviceSettings
from zisk_actors.errors import Incompatible, JobFailed, MemoryShort, ProofInvalid, UsageError
from zisk_actors.ids import blob_id
from zisk_actors.wire.blobs import Bundle, pack_list
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.compute import ContributeCall, ExecuteCall, SetupCall, VerifyCall
from zisk_actors.wire.values import ExecutionReport, FailureKind

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    contents = {"elf": b"\x7fELF", "bad": b"#!", "empty": b"", "trap": b"trap", "hang": b"hang=0", "die": b"die=0"}
    contents |= {"large": b"large=0", "exhaust": b"exhaust=0"}
    paths = {}
    for name, content in {**contents, "bundle": pack_list(Bundle(()))}.items():
        (tmp_path / blob_id(content)).write_bytes(content)
        paths[name] = str(tmp_path / blob_id(content))
    return paths


@pytest.fixture
async def device(paths: dict[str, str]) -> AsyncIterator[Device]:
    async with Device(DeviceSettings(prover="tests.cluster.fake_prover:FakeProver"), "test") as it:
        yield it


def contribute(paths: dict[str, str], stdin: str) -> ContributeCall:
    return ContributeCall(paths["elf"], paths[stdin], "test", 0, (1,))


async def test_calls_and_progress(device: Device, paths: dict[str, str]) -> None:
    steps: list[tuple[str, float]] = []
    done = await device.call(ExecuteCall(paths["elf"], paths["empty"]), on_progress=lambda step, part: steps.append((step, part)))
    assert decode_record(done.content, ExecutionReport).steps == 1000
    assert steps
    assert all(step == "work" and 0 <= part <= 1 for step, part in steps)
    assert (await device.call(SetupCall(paths["elf"], "test"))).content
    assert device.starts == 1


async def test_what_a_call_raises_is_typed_and_the_child_goes_on(device: Device, paths: dict[str, str]) -> None:
    with pytest.raises(CallFailed) as caught:
        await device.call(SetupCall(paths["bad"], "test"))
    assert (caught.value.failure.code, caught.value.failure.exit_code, caught.value.retryable) == ("elf-machine", 2, False)
    with pytest.raises(CallFailed) as caught:
        await device.call(contribute(paths, "trap"))
    assert caught.value.failure.trap is not None
    assert caught.value.failure.kind is FailureKind.GUEST
    with pytest.raises(CallFailed) as caught:
        await device.call(VerifyCall(paths["elf"], paths["elf"], "test", paths["bundle"]))
    assert caught.value.failure.kind is FailureKind.INTERNAL
    assert caught.value.retryable
    assert device.starts == 1


async def test_nothing_is_computed_on_that_has_rotted_or_is_gone(device: Device, paths: dict[str, str]) -> None:
    elf = trio.Path(paths["elf"])
    await elf.write_bytes(b"\x7fELG")
    for code in ("store-corrupt", "blob-missing"):
        with pytest.raises(CallFailed) as caught:
            await device.call(ExecuteCall(paths["elf"], paths["empty"]))
        assert (caught.value.failure.code, caught.value.failure.kind) == (code, FailureKind.WORKER)
        await elf.unlink(missing_ok=True)
    assert device.starts == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProofInvalid("it does not verify"), FailureKind.PROOF),
        (UsageError("this is no ELF file"), FailureKind.GUEST),
        (FakeGuestTrapped(), FailureKind.GUEST),
        (MemoryShort("too large"), FailureKind.MEMORY),
        (JobFailed("the trace does not satisfy its constraints"), FailureKind.WORKER),
        (Incompatible("a library of another version"), FailureKind.WORKER),
        (RuntimeError("a bug"), FailureKind.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_only_what_is_said_of_guest_or_proof_is_the_same_on_every_device(error: Exception, kind: FailureKind) -> None:
    reply = broke(error)
    assert reply.failure.kind is kind
    assert reply.retryable is (kind not in (FailureKind.PROOF, FailureKind.GUEST))


async def test_a_call_over_its_limit_kills_the_child_and_the_next_has_another(device: Device, paths: dict[str, str]) -> None:
    await device.warm()
    pid = device.pid
    with pytest.raises(CallFailed, match="took longer than") as caught:
        await device.call(contribute(paths, "hang"), seconds=0.2)
    assert caught.value.failure.kind is FailureKind.TIMEOUT
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await device.call(contribute(paths, "empty"))
    assert device.starts == 2


async def test_a_cancelled_call_kills_the_child(device: Device, paths: dict[str, str]) -> None:
    await device.warm()
    pid = device.pid
    with trio.move_on_after(0.2):
        await device.call(contribute(paths, "hang"))
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_child_that_dies_is_a_failed_call(device: Device, paths: dict[str, str]) -> None:
    with pytest.raises(CallFailed, match="signal 9") as caught:
        await device.call(contribute(paths, "die"))
    assert caught.value.retryable
    await device.call(contribute(paths, "empty"))
    pid = device.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    await trio.sleep(0.1)
    await device.call(contribute(paths, "empty"))
    assert device.starts == 3


async def test_memory_that_is_short_is_a_failure_of_its_own_kind_and_another_device_may_have_it(paths: dict[str, str]) -> None:
    for wish, memory, code in (("large", 10**8, "memory-short"), ("exhaust", 0, "out-of-memory")):
        call = contribute(paths, wish)
        async with Device(DeviceSettings(prover="tests.cluster.fake_prover:FakeProver", memory_bytes=memory), "test") as device:
            with pytest.raises(CallFailed) as caught:
                await device.call(call)
            assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.MEMORY, code)
            assert caught.value.retryable
            await device.call(ContributeCall(paths["elf"], paths["empty"], "test", 0, (1,)))
            assert device.starts == 1, "the child goes on"
    async with Device(DeviceSettings(prover="tests.cluster.fake_prover:FakeProver", memory_bytes=10**10), "test") as device:
        await device.call(contribute(paths, "large"))


@pytest.mark.parametrize("refused", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("place", ["Popen", "first pipe", "second pipe"])
async def test_a_child_that_the_system_does_not_start_is_a_failed_call(
    paths: dict[str, str], monkeypatch: pytest.MonkeyPatch, refused: int, place: str
) -> None:
    pipe, calls = os.pipe, 0

    def no_pipe() -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == (1 if place == "first pipe" else 2):
            raise OSError(refused, os.strerror(refused))
        return pipe()

    def no_process(*arguments: object, **options: object) -> None:
        raise OSError(refused, os.strerror(refused))

    async with Device(DeviceSettings(prover="tests.cluster.fake_prover:FakeProver"), "test") as device:
        with monkeypatch.context() as broken:
            if place == "Popen":
                broken.setattr("subprocess.Popen", no_process)
            else:
                broken.setattr("os.pipe", no_pipe)
            before = len(os.listdir("/proc/self/fd"))
            await device.warm()
            calls = 0
            with pytest.raises(CallFailed, match=os.strerror(refused)) as caught:
                await device.call(SetupCall(paths["elf"], "test"))
            assert len(os.listdir("/proc/self/fd")) == before, "nothing is left open"
        assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.WORKER, "compute-start")
        assert caught.value.retryable
        assert (await device.call(SetupCall(paths["elf"], "test"))).content, "and it starts when it can"


async def test_a_prover_that_does_not_load_is_a_failed_call(paths: dict[str, str]) -> None:
    async with Device(DeviceSettings(prover="no.such.module:Prover"), "test") as device:
        with pytest.raises(CallFailed, match="did not start"):
            await device.call(SetupCall(paths["elf"], "test"))


async def test_leaving_the_device_leaves_no_child(paths: dict[str, str]) -> None:
    async with Device(DeviceSettings(prover="tests.cluster.fake_prover:FakeProver"), "test") as device:
        await device.warm()
        pid = device.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_child_survives_the_threads_that_come_and_go(device: Device, paths: dict[str, str]) -> None:
    """The kernel kills it with the thread that started it; so that must be the thread of the loop, not one of the pool."""
    await trio.to_thread.run_sync(os.getpid)
    await device.warm()
    await trio.sleep(0.1)
    await device.call(contribute(paths, "empty"))
    assert device.starts == 1
