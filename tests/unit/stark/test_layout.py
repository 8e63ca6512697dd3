"""The layout: every column has one place, in the documented order."""

from __future__ import annotations

from tests import toy
from zisk_actors.stark.layout import Layout, TreeKind


def layout(share: int = 0) -> Layout:
    job = toy.honest()
    return Layout(toy.CHIPS, job.key.vk, job.contributions[share].instances)


def test_trees():
    trees = layout().trees
    assert trees[TreeKind.FIXED].widths == (2,)
    assert trees[TreeKind.MAIN].widths == (2, 4, 4, 4, 1)
    assert trees[TreeKind.MAIN].log_heights == (7, 9, 7, 7, 8)
    assert trees[TreeKind.AUX].widths == (3, 6, 6, 6, 3)
    assert trees[TreeKind.QUOTIENT].widths == (6,)
    assert trees[TreeKind.QUOTIENT].log_heights == (9,)
    assert (trees[TreeKind.MAIN].cap_size, trees[TreeKind.MAIN].depth) == (8, 6)  # 8 queries


def test_groups_and_openings():
    parts = layout()
    assert [group.log_height for group in parts.groups] == [9, 8, 7]
    assert [group.members for group in parts.groups] == [(1,), (4,), (0, 2, 3)]
    top = parts.groups[0]
    assert [(slot.tree, slot.matrix, slot.width) for slot in top.slots] == [
        (TreeKind.MAIN, 1, 4),
        (TreeKind.AUX, 1, 6),
        (TreeKind.QUOTIENT, 0, 6),
    ]
    assert top.following == ((1, 0), (1, 1), (1, 2))  # the accumulator's three coefficients
    assert (top.start, top.now_count, top.end) == (0, 16, 19)
    assert [slot.tree for slot in parts.groups[1].slots] == [TreeKind.FIXED, TreeKind.MAIN, TreeKind.AUX]
    assert [group.log_lift for group in parts.groups] == [0, 1, 2]
    lowest = parts.groups[2]
    assert lowest.following[:2] == ((0, 0), (0, 1))  # fib reads both columns of the next row
    assert parts.opening_count == lowest.end == len(parts.position)
    assert sorted(parts.position.values()) == list(range(parts.opening_count))


def test_layers_and_final_polynomial():
    parts = layout()
    assert [layer.log_size for layer in parts.layers] == [9, 6]
    assert (parts.final_log_size, parts.final_degree) == (3, 4)
    assert (parts.layers[0].tree.log_heights, parts.layers[0].tree.widths) == ((6,), (24,))
    assert parts.batched == parts.opening_count + 3


def test_places():
    places = layout().places
    assert (places[0].fixed, places[0].main, places[0].aux) == (None, 0, 0)
    assert places[4].fixed == 0
    # Without its chip in a share, a fixed column is not opened at zeta: only its rows are shown.
    assert (TreeKind.FIXED, 0, 0, 0) in layout(1).position
