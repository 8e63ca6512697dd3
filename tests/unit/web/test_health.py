"""The health pages: who is alive, who is ready, and why not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from zisk_actors.web.health import MOST_LAG_SECONDS, Health, Standing, health_pages
from zisk_actors.web.server import JSON

SERVING = Health(standing=Standing.SERVING, version="1.2.3", uptime_seconds=12.3456, loop_lag_seconds=0.001, workers=3)


async def ask(health: Health, path: str) -> tuple[int, dict[str, object]]:
    status, content_type, body = await health_pages(lambda: health)[path]()
    assert content_type == JSON
    return status, json.loads(body)


async def test_health_is_that_of_the_manual_whatever_the_state():
    for standing in Standing:
        status, _, body = await health_pages(lambda standing=standing: replace(SERVING, standing=standing))["/health"]()
        assert (status, body) == (200, b"OK")


async def test_ready():
    status, said = await ask(SERVING, "/readyz")
    assert status == 200
    assert said == {
        "status": "ready",
        "standing": "serving",
        "reasons": [],
        "warnings": [],
        "version": "1.2.3",
        "uptime_seconds": 12.346,
        "loop_lag_seconds": 0.001,
        "workers": 3,
    }


@pytest.mark.parametrize(
    ("health", "reasons"),
    [
        (replace(SERVING, standing=Standing.STARTING), ["starting"]),
        (replace(SERVING, standing=Standing.DRAINING), ["draining"]),
        (replace(SERVING, problems=("the journal cannot be written",)), ["the journal cannot be written"]),
        (replace(SERVING, loop_lag_seconds=MOST_LAG_SECONDS + 1), ["the event loop is 6.0 s late"]),
        (replace(SERVING, standing=Standing.DRAINING, problems=("a", "b")), ["draining", "a", "b"]),
    ],
)
async def test_not_ready_says_why_and_is_alive(health: Health, reasons: list[str]):
    status, said = await ask(health, "/readyz")
    assert (status, said["status"], said["reasons"]) == (503, "not ready", reasons)
    status, said = await ask(health, "/livez")
    assert (status, said["status"], said["standing"]) == (200, "ok", health.standing.value)


async def test_a_coordinator_without_workers_is_ready():
    assert (await ask(replace(SERVING, workers=0), "/readyz"))[0] == 200


async def test_a_worker_says_nothing_of_workers():
    assert "workers" not in (await ask(replace(SERVING, workers=None), "/livez"))[1]


async def test_each_answer_is_of_now():
    now = [SERVING]
    pages = health_pages(lambda: now[0])
    assert (await pages["/readyz"]()).status == 200
    now[0] = replace(SERVING, standing=Standing.DRAINING)
    assert (await pages["/readyz"]()).status == 503
