"""Divisions that are wrong: rows made from a claim about quotient, remainder and signs, as consistent as they can be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import gcd

from tests.mutation.rows import Cells, Chip
from zisk_actors.stark.field import P

M32, M64 = 2**32 - 1, 2**64 - 1
INV_2_16, INV_2_32 = pow(2**16, -1, P), pow(2**32, -1, P)


def claims(chip: Chip, honest: Cells) -> Iterator[Cells]:
    """Rows that claim something else of the honest row's operands."""
    names = chip.names
    cells = dict(zip(names, honest, strict=True))
    word, unsigned = cells["word"], cells["unsigned"]
    a = cells["a[0]"] + 2**32 * cells["a[1]"]
    b = cells["b[0]"] + 2**32 * cells["b[1]"]
    for sx, sy, high in product((0, 1) if not unsigned else (0,), (0, 1) if not unsigned else (0,), (None, 0, 1, M32, 77)):
        x = (a & M32) + (sx * M32 << 32) if word else a
        y = (b & M32) + ((sy * M32 if high is None else high) << 32) if word else (b if high is None else (b & M32) + (high << 32))
        for quotient, remainder in _pairs(x - (sx << 64), y - (sy << 64)):
            for carry in range(-2, 2):
                row = cells | _row(cells, x, y, (sx, sy), quotient, remainder, carry)
                yield [row[name] % P for name in names]
                yield [(row | {"k[0]": row["k[0]"] + 2**16 * row["k[1]"], "k[1]": 0})[name] % P for name in names]
                if sx != cells["x_msb"]:
                    kept = row | {name: cells[name] for name in ("x_last", "x_top", "x_msb")}
                    yield [kept[name] % P for name in names]
                    yield [(kept | {"x_top": kept["x_top"] ^ 0x8000, "x_msb": sx})[name] % P for name in names]
                    yield [(kept | {"x_msb": sx})[name] % P for name in names]
                yield [(row | {f"y_msb[{1 - word}]": sy})[name] % P for name in names]
            for wrapped in _wrapped(y - (sy << 64), remainder):
                yield [(row | wrapped)[name] % P for name in names]
            if not cells["zero"]:
                # A division by zero that is none: the quotient is all ones, and the remainder has no bound.
                free = {**cells, "zero": 1} | _row({**cells, "zero": 1}, x, y, (sx, sy), M64, x - (sx << 64) - (y - (sy << 64)) * M64, 0)
                yield [free[name] % P for name in names]


def split_otherwise(chip: Chip, honest: Cells) -> Iterator[Cells]:
    """Rows in which some number is cut into chunks of which one is none."""
    names = chip.names
    cells = dict(zip(names, honest, strict=True))
    moves: list[dict[str, int]] = []
    for name, sign in (("q", "q_sign"), ("r", "r_sign")):
        for low, more in ((f"{name}[0]", 2**32), (f"{name}[1]", 2**16)):
            borrow = cells["d_carry[0]"] + 2 * cells["d_carry[1]"] - 1
            bound = {"d_carry[0]": borrow & 1, "d_carry[1]": borrow >> 1} if name == "r" else {}
            moves.append({low: cells[low] + more, f"{name}[2]": cells[f"{name}[2]"] - 1} | bound)
        for high, more in ((f"{name}[2]", 2**32), (f"{name}[3]", 2**16)):
            moves.append({high: cells[high] + more, sign: 1})
    for move in moves:
        row = cells | move
        limbs = [[row[f"{name}[{2 * i}]"] + 2**16 * row[f"{name}[{2 * i + 1}]"] for i in range(2)] for name in ("q", "r")]
        result = limbs[row["remainder"]]
        top = row[f"{'r' if row['remainder'] else 'q'}[1]"]
        row |= {"c[0]": result[0], "top": top, "top_msb": top >> 15 & 1}
        row |= {} if row["word"] else {"c[1]": result[1]}
        yield [value % P for value in _carried(row, names)]
    y, x = cells["b[0]"] + 2**32 * cells["b[1]"], cells["a[0]"] + 2**32 * cells["a[1]"]
    if (x, y) == (P + 0xC000_0000, 1):
        yield _carried(
            cells
            | _chunks("q", 0xC000_0000)
            | {"y[0]": 0xFFFF, "y_msb[0]": 1, "c[0]": 0xC000_0000, "c[1]": 0, "top": 0xC000, "top_msb": 1},
            names,
        )
    if (x, y) == (5 * 2**32 + 20000, M32 * 2**32 + 100):
        # The quotient is 99 - 2^64, and the third carry 2^32 + 1: right modulo P.
        row = cells | _row(cells, x, y, (0, 0), 99, 104 * 2**32 + 10100, -1) | {"q_sign": 1}
        yield _carried(row, names)
        yield _carried(row, names, low=2)
    if (x, y) == (5, 2**32):
        # The quotient is 2^32 - 1 - 2^64, and the second carry 2^32: right modulo P.
        row = cells | _chunks("q", M32) | {"q_sign": 1, "c[0]": M32, "c[1]": 0, "top": 0xFFFF, "top_msb": 1}
        yield _carried(row, names)
        yield _carried(row, names, low=1)
        cells |= _chunks("q", M32) | {"q_sign": 1, "y[1]": 1 - 2**16 * 0xFFFF, "y[2]": 0xFFFF, "y_msb[1]": 1}
        yield _carried(cells | {"c[0]": M32, "c[1]": 0, "top": 0xFFFF, "top_msb": 1}, names)

    if y and not cells["word"] and cells["unsigned"] and y < 2**16:
        yield from _loose_chunks(cells, names, x, y)


def _loose_chunks(cells: dict[str, int], names: list[str], x: int, y: int) -> Iterator[Cells]:
    """Quotient and remainder of a small divisor, where the one that is not asked for has a chunk that is anything."""
    q, r = x // y + 1, x % y - y
    if cells["remainder"]:
        other = (x % y + 1) % y
        wrong = (cells["q[1]"] * 2**16 * y + x % y - other) * pow(2**16 * y, -1, P)
        bound = _chunks("r", other) | _chunks("d", y - other - 1) | {"q[1]": wrong, "c[0]": other, "c[1]": 0, "top": 0, "top_msb": 0}
        yield [(cells | bound)[name] % P for name in names]
        return
    chunks = _chunks("q", q) | {"r[0]": r % 2**16, "r[1]": (r - r % 2**16) // 2**16, "r[2]": 0, "r[3]": 0} | _chunks("d", y - r - 1)
    top = q >> 16 & 0xFFFF
    row = cells | chunks | {"c[0]": q & M32, "c[1]": q >> 32, "top": top, "top_msb": top >> 15, "d_carry[0]": 0, "d_carry[1]": 1}
    yield [value % P for value in _carried(row, names)]


def bounds(chip: Chip, honest: Cells) -> Iterator[Cells]:
    """Remainders that are too large: what is left of the bound is in one chunk."""
    names = chip.names
    cells = dict(zip(names, honest, strict=True))
    if cells["word"] or not cells["unsigned"] or cells["zero"]:
        return
    x, y = cells["a[0]"] + 2**32 * cells["a[1]"], cells["b[0]"] + 2**32 * cells["b[1]"]
    for remainder in (x % y + y, x % y + y * 2**32):
        if remainder < 2**64 and (x - remainder) // y >= 0:
            for carry in range(-2, 2):
                row = cells | _row(cells, x, y, (0, 0), (x - remainder) // y, remainder, carry)
                low = (y & M32) - (remainder & M32) - 1 - 2**32 * carry
                high = (y >> 32) - (remainder >> 32) + carry
                for place, value in ((0, low), (2, high)):
                    yield [(row | {f"d[{place}]": value, f"d[{place + 1}]": 0})[name] % P for name in names]
                    upper = {f"d[{place}]": value % 2**16, f"d[{place + 1}]": value >> 16}
                    yield [(row | upper)[name] % P for name in names]


def _carried(row: dict[str, int], names: list[str], low: int | None = None) -> Cells:
    """The row with the carries that its chunks give; all of carry number ``low`` is in its low chunk."""
    y = [row["b[0]"] - 2**16 * row["y[0]"], *(row[f"y[{i}]"] for i in range(3))]
    q, r = ([row[f"{name}[{i}]"] for i in range(4)] for name in "qr")
    t = [sum(y[i] * q[k - i] for i in range(4) if 0 <= k - i < 4) for k in range(7)]
    x = (row["a[0]"], row["x_sign"] * M32 if row["word"] else row["a[1]"])
    k0 = (t[0] + 2**16 * t[1] + r[0] + 2**16 * r[1] - x[0]) * INV_2_32 % P
    k1 = (t[2] + 2**16 * t[3] + r[2] + 2**16 * r[3] + k0 - x[1]) * INV_2_32 % P
    sy, qs, rs, sx = row["y_sign"], row["q_sign"], row["r_sign"], row["x_sign"]
    third = t[4] + 2**16 * t[5] + k1 - sy * (q[0] + 2**16 * q[1]) - qs * (y[0] + 2**16 * y[1]) - rs + sx
    for i, value in enumerate((k0, k1, (third * INV_2_32 + 2) % P)):
        whole = {f"k[{2 * i}]": value, f"k[{2 * i + 1}]": 0}
        row = row | (whole if i == low else {f"k[{2 * i}]": value % 2**16, f"k[{2 * i + 1}]": value >> 16})
    return [row[name] % P for name in names]


def _wrapped(y: int, remainder: int) -> Iterator[dict[str, int]]:
    """|y| - |r| - 1 below 0, plus P: its limbs are in range, and only the carry between them, one cell or the other, is no bit."""
    distance = abs(y) - abs(remainder) - 1
    if -M32 <= distance < 0:
        value = P + distance
        carry = ((abs(y) & M32) - (abs(remainder) & M32) - 1 - (value & M32)) * INV_2_32 + 2
        yield _chunks("d", value) | {"d_carry[0]": carry, "d_carry[1]": 0}
        yield _chunks("d", value) | {"d_carry[0]": 1, "d_carry[1]": (carry - 1) * pow(2, -1, P)}


def _pairs(x: int, y: int) -> Iterator[tuple[int, int]]:
    """Quotients and remainders that are right, or right but for one thing."""
    if not y:
        yield from ((-1, x), (0, x), (0, 0))
        return
    q, r = x // y, x % y
    for step in (-2, -1, 0, 1, 2):
        yield q + step, r - y * step
    yield q + 1, r  # not even that
    for modulus in (2**64, 2**96, P):
        for rest in (0, 1, -1, 2):
            if gcd(y, modulus) == 1:
                yield (x - rest) * pow(y, -1, modulus) % modulus % 2**64, rest


def _row(was: dict[str, int], x: int, y: int, signs: tuple[int, int], quotient: int, remainder: int, carry: int) -> dict[str, int]:
    """The cells of a claim."""
    sx, sy = signs
    q, r, qs, rs = quotient & M64, remainder & M64, int(quotient < 0), int(remainder < 0)
    cells = _chunks("q", q) | _chunks("r", r) | {"q_sign": qs, "r_sign": rs, "x_sign": sx, "y_sign": sy}
    cells |= {f"y[{i - 1}]": y >> 16 * i & 0xFFFF for i in range(1, 4)} | {"y_msb[0]": y >> 31 & 1, "y_msb[1]": y >> 63 & 1}
    if (was["x_last"] >> 31) != sx and not was["unsigned"]:
        cells |= {"x_msb": sx} | ({"x_last": sx << 31, "x_top": sx << 15} if sx != was["x_msb"] else {})
    t = [sum((y >> 16 * i & 0xFFFF) * (q >> 16 * (k - i) & 0xFFFF) for i in range(4) if 0 <= k - i < 4) for k in range(7)]
    k0 = (t[0] + (t[1] << 16) + (r & M32) - (x & M32)) * INV_2_32 % P
    k1 = (t[2] + (t[3] << 16) + (r >> 32) + k0 - (x >> 32)) * INV_2_32 % P
    third = t[4] + (t[5] << 16) + k1 - sy * (q & M32) - qs * (y & M32) - rs + sx
    k2 = (third * INV_2_32 + 2) % P
    for i, value in enumerate((k0, k1, k2 if k2 < 2**31 else (2 - t[6] + sy * (q >> 32) + qs * (y >> 32) - (sy * qs << 32)) % P)):
        cells |= {f"k[{2 * i}]": value % 2**16, f"k[{2 * i + 1}]": (value - value % 2**16) * INV_2_16}
    some = 1 - was["zero"]
    low = some * ((1 - 2 * sy) * (y & M32) - (1 - 2 * rs) * (r & M32) - 1) - 2**32 * carry
    high = some * ((1 - 2 * sy) * (y >> 32) - (1 - 2 * rs) * (r >> 32) + 2**32 * (sy - rs)) + carry
    cells |= _chunks("d", min(max(low, 0), M32) + (min(max(high, 0), M32) << 32)) | {
        "d_carry[0]": carry + 2 & 1,
        "d_carry[1]": carry + 2 >> 1,
    }
    result = r if was["remainder"] else q
    top = result >> 16 & 0xFFFF
    upper = (top >> 15) * M32 if was["word"] else result >> 32
    return cells | {"top": top, "top_msb": top >> 15, "c[0]": result & M32, "c[1]": upper}


def _chunks(name: str, value: int) -> dict[str, int]:
    return {f"{name}[{i}]": value >> 16 * i & 0xFFFF for i in range(4)}


def any_quotient(chip: Chip, honest: Cells, sign: bool) -> Cells:
    """The row of x / (y 2^32), y odd, with another remainder. Only the last word is wrong, and ``sign`` makes up for it: the quotient's."""
    cells = dict(zip(chip.names, honest, strict=True))
    x, y = cells["a[1]"], cells["b[1]"]
    remainder = (x % y + 1) % y
    inverse = pow(y, -1, 2**32)
    low = (x - remainder) * inverse % 2**32
    carried = (y * low + remainder - x) >> 32
    high = -carried * inverse % 2**32
    rest = (remainder << 32) + cells["a[0]"]
    below = (-cells["a[0]"] - 1) >> 32
    row = cells | _row(cells, x * 2**32 + cells["a[0]"], y << 32, (0, 0), low + (high << 32), rest, below)
    last = (y * high + carried) >> 32
    # The third word holds whatever the last: its carry is what is left over after t6, the product of the top chunks.
    third = last - (y >> 16) * (high >> 16)
    row |= {"k[4]": (third + 2) % 2**16, "k[5]": (third + 2) >> 16}
    row |= {"q_sign": last * pow(y, -1, P)} if sign else {}
    return [row[name] % P for name in chip.names]
