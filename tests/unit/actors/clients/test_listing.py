"""Lists of jobs: filters, cursors, and that long ones come whole."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.clients import listing
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.core.job import begin
from zisk_actors.core.job_events import Submitted
from zisk_actors.errors import UsageError
from zisk_actors.ids import JobId
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.client_link import ListJobs
from zisk_actors.wire.values import Kind, State


def entry(number: int, *, kind: Kind = Kind.PROVE, client: str = "me", name: str = "") -> JobEntry:
    job = JobId(f"{number:08x}-0000-4000-8000-000000000000")
    program, at = reference(b"%d" % (number % 3)), float(number // 2)
    return JobEntry(begin(Submitted(at=at, job=job, kind=kind, program=program, stdin=program, params="test", client=client, name=name)), 0)


def pages(asked: ListJobs, entries: list[JobEntry]) -> list[list[JobEntry]]:
    """All parts of a list, one request each."""
    found, cursor = [], ""
    while True:
        part, cursor = listing.choose(
            ListJobs(1, asked.limit, asked.state, asked.kind, asked.program, asked.name, asked.mine, asked.since, cursor),
            entries,
            lambda program: "zero" if program == reference(b"0").sha256 else "",
            "me",
        )
        found.append(part)
        if not cursor:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_parts_together_are_all_jobs_newest_first_each_once(limit: int) -> None:
    entries = [entry(number) for number in range(20)]
    parts = pages(ListJobs(1, limit), entries)
    whole = [each for part in parts for each in part]
    assert whole == sorted(entries, key=lambda each: (-each.submitted_at, each.job))
    assert all(len(part) == limit for part in parts[:-1])


def test_filters_let_through_what_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKS", 4)
    entries = [entry(n, kind=Kind.SETUP if n % 2 else Kind.PROVE, client="me" if n < 5 else "you", name=f"n{n % 4}") for n in range(20)]

    def chosen(**filters: object) -> set[int]:
        found = [each for part in pages(ListJobs(1, 100, **filters), entries) for each in part]  # type: ignore[arg-type]
        return {int(each.job[:8], 16) for each in found}

    assert chosen(kind="setup") == {n for n in range(20) if n % 2}
    assert chosen(mine=True) == set(range(5))
    assert chosen(name="n3", kind="setup") == {3, 7, 11, 15, 19}
    assert chosen(since=7.5) == {16, 17, 18, 19}
    assert chosen(program="zero") == chosen(program=reference(b"0").sha256[:10]) == {n for n in range(20) if n % 3 == 0}
    assert chosen(program="zero", kind="prove", mine=True) == {0}
    assert chosen(state="queued") == set(range(20))
    assert chosen(state="failed") == set()


async def test_more_than_a_thousand_jobs_can_be_listed(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zisk_actors.client.client.MAX_PAGE", 5)
    async with open_world() as world, world.client() as client:
        jobs = [await client.submit(Kind.EXECUTE, ELF, stdin=b"%d" % number, name=f"n{number % 2}") for number in range(13)]
        assert {status.job for status in await client.jobs(limit=1000)} == set(jobs)
        assert [status.job for status in await client.jobs(limit=7)] == [status.job for status in await client.jobs(limit=1000)][:7]
        assert {status.job for status in await client.jobs(name="n1", kind="execute", mine=True)} == set(jobs[1::2])
        for filters in ({"state": "done"}, {"kind": "wrap"}):
            with pytest.raises(ClusterRefused) as caught:
                await client.jobs(**filters)  # type: ignore[arg-type]
            assert caught.value.code == "bad-filter"


async def test_a_job_can_be_asked_for_again(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        first = await client.submit(Kind.EXECUTE, ELF, stdin=iter([b"a", b"b"]))
        await client.wait(first)
        second = await client.retry(first[:8])
        status = await client.wait(second)
        assert second != first
        assert (status.state, status.stdin) == (State.COMPLETED, reference(b"ab"))
        world.coordinator.store.path(reference(b"ab").sha256).unlink()
        with pytest.raises(ClusterRefused, match="not any more") as caught:
            await client.retry(first)
        assert caught.value.code == "input-not-found"
        waiting = await client.open_input(Kind.EXECUTE, ELF)
        with pytest.raises(UsageError, match="never had its whole input"):
            await client.retry(waiting.job)
