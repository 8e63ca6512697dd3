"""ARCHITECTURE.md says where things are: its walk goes from room to room as the imports do, and what it names is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def chains() -> tuple[list[str], list[str], list[str]]:
    """The three chains of "who may import whom", from the left: the cluster, the rooms of its actors, the proof system."""
    block = PAGE.partition("## Who may import whom")[2].partition("```\n")[2].partition("```")[0]
    cluster, rooms, proof = ([re.split(r"\s{2,}", part.strip())[0] for part in line.split("→")] for line in block.splitlines())
    return cluster, rooms, proof


def rooms() -> list[str]:
    """All rooms, from the left: those of the actors stand in the place of `actors` among the cluster's, and the proof system comes last."""
    cluster, actors, proof = chains()
    order: list[str] = []
    for part in cluster:
        order += [*(f"actors/{room}" for room in actors[:-1]), "actors"] if part == "actors" else part.split(", ")
    return order + [room.split(".")[0] for part in proof for room in part.split(", ")]


def descents() -> list[list[tuple[str, list[str]]]]:
    """The walk of a job: for each of its descents the hops, with their room and the files that are named."""
    table = PAGE.partition("## The walk of a job")[2].partition("|---|")[2].partition("\n\n")[0]
    found: list[list[tuple[str, list[str]]]] = [[]]
    for row in table.splitlines()[1:]:
        number, _, room, files = (cell.strip() for cell in row.split("|")[1:5])
        if number:
            found[-1].append((room.strip("`"), re.findall(r"`([\w/.]+)`", files)))
        else:
            found.append([])
    return found


def test_each_hop_of_the_walk_is_in_the_room_of_the_last_or_to_its_right() -> None:
    order = rooms()
    assert len(descents()) == 3
    for descent in descents():
        places = [order.index(room) for room, _ in descent]
        assert places == sorted(places), descent


@pytest.mark.parametrize("hop", [hop for descent in descents() for hop in descent], ids=lambda hop: hop[0])
def test_what_a_hop_names_is_in_its_room(hop: tuple[str, list[str]]) -> None:
    room, files = hop
    assert files
    package = ROOT / "zisk_actors"
    for file in files:
        places = [package / room / file, package / file, ROOT / file]
        assert any(place.exists() for place in places), file


def test_the_rooms_of_the_actors_are_those_of_the_contract() -> None:
    contract = next(each for each in CONTRACTS if each["name"].startswith("the rooms of the actors"))
    listed = [name.strip().removeprefix("zisk_actors.actors.") for layer in contract["layers"] for name in layer.split("|")]
    _, actors, _ = chains()
    assert actors[:-1] == listed[: len(actors) - 1]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", PAGE))))
def test_every_file_that_the_page_names_is_there(path: str) -> None:
    assert (ROOT / "zisk_actors" / path).exists() or (ROOT / path).exists()
