"""Who is told of the ends of jobs by webhook: slow, failing and forgetful as the seed says. What it hears, the laws hear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random

import trio

from tests.simulation.invariants import Laws
from zisk_actors.ids import JobId
from zisk_actors.web.webhook import NotDelivered
from zisk_actors.wire.values import State

URL = "http://receiver.example/jobs"


class Receiver:
    """What `post` is to the coordinator. `bad` is how many of its answers are none, or say that it failed, whether or not it has heard."""

    def __init__(self, laws: Laws, chance: Random) -> None:
        self._laws = laws
        self._chance = chance
        self.bad = 0.6

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        await trio.sleep(2 * self._chance.random())
        fate = self._chance.random() / self.bad if self.bad else 1.0
        if fate < 0.3:
            raise NotDelivered("no connection")
        said = json.loads(body)
        self._laws.law(url == f"{URL}/{said['job_id']}" and headers["webhook-id"] == said["job_id"], f"a webhook for another job: {url}")
        self._laws.delivered(JobId(said["job_id"]), State(said["state"]), body)
        if fate < 0.6:
            raise NotDelivered("no answer")
        return 503 if fate < 1.0 else 204
