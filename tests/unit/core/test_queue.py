"""The order of those who wait: fair between clients, by priority, by age, and nobody for ever."""

from __future__ import annotations

import numpy as np

from zisk_actors.core.events import Enqueue
from zisk_actors.core.policy import TURNS_PER_PRIORITY
from zisk_actors.core.queue import Queue
from zisk_actors.ids import JobId
from zisk_actors.wire.values import Kind


def job(name: str, client: str = "", at: float = 0.0, priority: int = 0, needs: tuple[int, ...] = ()) -> Enqueue:
    return Enqueue(JobId(name), Kind.PROVE, priority, at, needs=needs, client=client)


def order(queue: Queue) -> list[str]:
    return [each.job for each in queue]


def start_next(queue: Queue) -> str:
    head = next(iter(queue))
    queue.start(head.job)
    return head.job


def test_one_client_waits_by_age_and_then_by_name() -> None:
    queue = Queue()
    for name, at in (("c", 2.0), ("b", 1.0), ("a", 1.0)):
        queue.enqueue(job(name, at=at))
    assert order(queue) == ["a", "b", "c"]
    assert [queue.position(JobId(name)) for name in "abc"] == [0, 1, 2]
    assert queue.position(JobId("nobody")) is None


def test_who_has_one_job_does_not_wait_for_all_of_who_has_many() -> None:
    queue = Queue()
    for number in range(500):
        queue.enqueue(job(f"many-{number:03}", "many", at=float(number)))
    for _ in range(100):
        start_next(queue)
    queue.enqueue(job("one", "few", at=1000.0))
    assert queue.position(JobId("one")) == 0, "the next of the other has a later turn"
    queue.enqueue(job("two", "few", at=1001.0))
    assert order(queue)[:4] == ["one", "many-100", "two", "many-101"]


def test_who_was_just_served_comes_after_who_was_not() -> None:
    queue = Queue()
    queue.enqueue(job("a-1", "a", at=0.0))
    queue.enqueue(job("b-1", "b", at=1.0))
    assert start_next(queue) == "a-1"
    queue.enqueue(job("a-2", "a", at=0.5))
    assert order(queue) == ["b-1", "a-2"], "its line was empty, but its turn is remembered"


def test_priority_goes_before_turn_and_does_not_starve_what_is_lower() -> None:
    queue = Queue()
    queue.enqueue(job("patient", "low", at=0.0))
    for number in range(50):
        queue.enqueue(job(f"urgent-{number:02}", "high", at=1.0 + number, priority=1))
    assert queue.position(JobId("patient")) == TURNS_PER_PRIORITY
    for _ in range(TURNS_PER_PRIORITY):
        assert start_next(queue).startswith("urgent")
    queue.enqueue(job("new", "third", at=2.0, priority=1))
    assert start_next(queue) == "new", "each line has its turns"
    queue.enqueue(job("more", "third", at=2.0, priority=1))
    assert start_next(queue) == "patient", "who comes later has a later turn, whatever its priority"


def test_clients_of_low_priority_take_turns_though_high_ones_were_far_ahead() -> None:
    queue = Queue()
    for number in range(30):
        queue.enqueue(job(f"high-{number:02}", "high", at=0.0, priority=100))
    for number in range(30):
        queue.enqueue(job(f"many-{number:02}", "many", at=1.0, priority=-5))
    for _ in range(31):
        start_next(queue)
    queue.enqueue(job("one", "few", at=2.0, priority=-5))
    assert queue.position(JobId("one")) == 0


def test_what_ran_before_a_restart_goes_first() -> None:
    queue = Queue()
    queue.enqueue(job("new", priority=100))
    queue.enqueue(job("old", at=5.0, needs=(0,)))
    queue.enqueue(job("older", at=4.0, needs=(1,)))
    assert order(queue) == ["older", "old", "new"]


def test_who_is_taken_out_gives_its_turn_to_those_behind_it() -> None:
    queue = Queue()
    for number in range(100):
        queue.enqueue(job(f"a-{number:02}", "a", at=0.0))
        queue.enqueue(job(f"b-{number:02}", "b", at=1.0))
    for number in range(99):
        queue.remove(JobId(f"a-{number:02}"))
    assert order(queue)[:2] == ["a-99", "b-00"]
    assert queue.remove(JobId("a-00")) is None
    assert (queue.waiting_of("a"), queue.waiting_of("b"), queue.waiting_of("c")) == (1, 100, 0)


def test_random_comings_and_goings_keep_every_index_true() -> None:
    for seed in range(30):
        random, queue, there = np.random.default_rng(seed), Queue(), dict[str, Enqueue]()
        for number in range(300):
            chance = random.random()
            if chance < 0.5 or not there:
                each = job(
                    f"{number:03}", str(random.integers(4)), float(random.integers(9)), int(random.integers(-2, 3)), (0,) * (chance < 0.05)
                )
                queue.enqueue(each)
                there[each.job] = each
            elif chance < 0.8:
                del there[start_next(queue)]
            else:
                name = list(there)[int(random.integers(len(there)))]
                assert queue.remove(JobId(name)) == there.pop(name)
            names = order(queue)
            assert sorted(names) == sorted(there), f"seed {seed}"
            assert [queue.position(JobId(name)) for name in names] == list(range(len(names))), f"seed {seed}"
            for line in {(each.client, each.priority) for each in there.values()}:
                mine = [each for each in queue if (each.client, each.priority) == line and not each.needs]
                assert mine == sorted(mine, key=lambda each: (each.submitted_at, each.job)), f"seed {seed}: a line is by age"
            assert all(queue.waiting_of(str(client)) == sum(each.client == str(client) for each in there.values()) for client in range(4))
