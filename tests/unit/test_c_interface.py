"""The C interface: what its header may say, and that what it says is checked before C is entered."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zisk_actors import native
from zisk_actors.backends.build import BuildError, find_compiler, interface_source
from zisk_actors.c_interface import Arrays, BadArgument, BadHeader, Columns, Header
from zisk_actors.stark.poseidon2 import permute_reference

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "native" / "include" / "zk" / "interface.h"


def words(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    return np.arange(np.prod(shape), dtype=np.uint64).reshape(shape)


# --- the header ---------------------------------------------------------------------------------


def test_the_library_carries_the_header_and_has_every_function_of_it():
    library = native.load()
    assert library.zk_interface() == HEADER.read_text()
    assert len(library.header.functions) > 30
    for name in library.header.functions:
        assert callable(getattr(library, name))


def test_every_function_that_the_sources_export_is_in_the_header():
    exported = set()
    for path in (ROOT / "native").rglob("*.cpp"):
        if path.name != "guest.cpp":
            text = path.read_text()
            exported |= set(re.findall(r'^extern "C" [\w:*& ]+?\b(zk_\w+)\(', text, re.MULTILINE))
            block = text.partition('extern "C" {')[2]
            exported |= set(re.findall(r"^\w[\w:*& ]*?\b(zk_\w+)\(", block, re.MULTILINE))
    declared = set(native.load().header.functions)
    assert exported - declared == set()
    assert declared - exported == {"zk_interface", "zk_chip_set"}, "these two are written by the build"


def test_the_header_is_plain_c(tmp_path: Path):
    try:
        compiler = find_compiler()
    except BuildError:
        pytest.skip("no compiler")
    source = tmp_path / "plain.c"
    source.write_text(f'#include "{HEADER}"\nint main(void) {{ return 0; }}\n')
    command = [*compiler.command, "-x", "c", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_no_signature_stands_in_python():
    named = [path.name for path in (ROOT / "zisk_actors").rglob("*.py") if re.search(r"\bargtypes\b", path.read_text())]
    assert named == ["c_interface.py"]


def test_the_text_in_the_library_is_quoted():
    assert '"a \\"b\\" \\\\ c\\n"' in interface_source('a "b" \\ c')


def test_a_struct_has_the_fields_of_its_text():
    header = Header("typedef struct pair {\n    uint32_t a;  // first\n    uint64_t b[3], c;\n} pair;\nvoid zk_f(pair* out);\n")
    made = header.structs["pair"]()
    assert (made.a, list(made.b), made.c) == (0, [0, 0, 0], 0)
    assert [field[0] for field in header.structs["pair"]._fields_] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int zk_f(const uint64_t* values);", "has no size"),
        ("int zk_f(const uint64_t* const* values /* 3 */);", "has no size"),
        ("int zk_f(double x);", "cannot be read"),
        ("int zk_f(const uint64_t* values /* count */);", "no parameter"),
        ("int zk_f(const uint64_t* values /* 3 + */);", "cannot be read"),
        ("int zk_f(const uint64_t* values /* [3] */);", "may not have a List"),
        ("int zk_f(int a)\n", "cannot be read"),
        ("typedef struct pair {\n    double a;\n} pair;\n", "a field"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, said: str):
    with pytest.raises(BadHeader, match=re.escape(said)):
        Header(text)


# --- calls ---------------------------------------------------------------------------------------


def refused(name: str, *arguments: object) -> str:
    """What a call with these arguments is refused with."""
    with pytest.raises(BadArgument) as caught:
        getattr(native.load(), name)(*arguments)
    assert isinstance(caught.value, ValueError)
    assert caught.value.message.startswith(name)
    return caught.value.message.removeprefix(f"{name}: ")


def test_a_good_call_goes_through():
    states = words(2, 16)
    native.load().zk_poseidon2_permute(states, 2)
    np.testing.assert_array_equal(states, permute_reference(words(2, 16)))


def test_a_wrong_number_of_arguments_is_refused():
    assert refused("zk_poseidon2_permute", words(16)) == "zk_poseidon2_permute takes 2 arguments, not 1: states, count"


def test_an_array_of_another_type_is_refused():
    assert refused("zk_poseidon2_permute", np.zeros(16, np.int64), 1) == "states is a contiguous array of uint64, not int64 (16,)"
    assert refused("zk_poseidon2_permute", np.zeros(16, ">u8"), 1) == "states is a contiguous array of uint64, not >u8 (16,)"
    assert refused("zk_poseidon2_permute", [0] * 16, 1) == "states is a contiguous array of uint64, not list"
    assert refused("zk_poseidon2_permute", 4096, 1) == "states is a contiguous array of uint64, not int"
    assert refused("zk_poseidon2_permute", None, 1) == "states is a contiguous array of uint64, not NoneType"


def test_an_array_with_gaps_is_refused():
    assert "not contiguous" in refused("zk_poseidon2_permute", words(16, 2)[:, 0], 1)
    assert "not contiguous" in refused("zk_compress", np.asfortranarray(words(2, 4)), None, 1, words(4))


def test_an_array_that_is_too_small_is_refused():
    assert refused("zk_poseidon2_permute", words(31), 2) == "states has 31 elements; 16 * count are 32"
    assert refused("zk_compress", words(8), words(3), 1, words(4)) == "injected has 3 elements; 4 * count are 4"
    assert refused("zk_lde", words(2, 32), words(2, 63), 2, 5, 1) == "extended has 126 elements; width * 2^(log_size + log_blowup) are 128"
    assert refused("zk_find_air", 4096, 1, b"short") == "digest has 5 elements; 32 are 32"


def test_an_array_that_is_written_must_be_writable():
    states = words(16)
    states.flags.writeable = False
    assert refused("zk_poseidon2_permute", states, 1) == "states is written, and this array is read-only"
    assert refused("zk_emu_console", 4096, b"12345678", 8) == "out is a contiguous array of uint8, not bytes"
    native.load().zk_all_canonical(states, 16)


def test_numbers_are_checked():
    assert refused("zk_all_canonical", words(4), -1) == "count = -1 is outside [0, 18446744073709551616)"
    assert refused("zk_lde", words(1), words(1), 1, 2**31, 1) == "log_size = 2147483648 is outside [-2147483648, 2147483648)"
    assert refused("zk_lde", words(1), words(1), 1, -1, 1) == "2^-1 is no number of elements"
    assert refused("zk_lde", words(1), words(1), 1, 64, 1) == "2^64 is no number of elements"
    assert refused("zk_all_canonical", words(4), 1.0) == "count is an integer, not float"
    assert native.load().zk_all_canonical(words(4), np.int64(4)) == 1


def test_handles_and_records_are_checked():
    assert refused("zk_verifier_memory", None) == "chips is a handle, not None"
    assert refused("zk_verifier_memory", 0) == "chips is a handle, not 0"
    assert refused("zk_verifier_memory", words(1)) == "chips is a handle, not array([0], dtype=uint64)"
    assert refused("zk_emu_run", 4096, 1, native.load().record("zk_verified")) == "outcome is a zk_emu_outcome, not zk_verified"


def test_columns_are_checked():
    with pytest.raises(BadArgument, match="int64"):
        Columns.of([words(2, 4).astype(np.int64)])
    with pytest.raises(BadArgument, match="not contiguous"):
        Columns.of([words(4, 4)[:, :2]])
    columns = Columns.of([words(2, 8)])
    assert refused("zk_hash_rows", columns, 3, 1, 1, 8, words(8, 4)) == "columns has 2 arrays; width are 3"
    assert refused("zk_hash_rows", columns, 2, 1, 1, 9, words(9, 4)) == "columns has columns of 8 words; (count - 1) * stride + 1 are 9"
    assert refused("zk_hash_rows", Columns.of([words(2, 8)], 2), 4, 2, 1, 5, words(5, 4)).startswith("columns has columns of 7 words")
    # The same of arrays one by one, which is what few of them are handed over as.
    assert refused("zk_hash_rows", list(words(2, 8)), 2, 1, 1, 9, words(9, 4)) == "columns has 8 elements; (count - 1) * stride + 1 are 9"
    one, other = words(8, 4), words(8, 4)
    native.load().zk_hash_rows(columns, 2, 1, 1, 8, one)
    native.load().zk_hash_rows(list(words(2, 8)), 2, 1, 1, 8, other)
    np.testing.assert_array_equal(one, other)


def test_the_size_of_one_array_among_several_may_depend_on_its_number():
    header = Header("int zk_f(const uint64_t* counts /* n + 1 */, size_t n, uint64_t* const* out /* n of 14 * counts[i] */);")
    out = header.functions["zk_f"].parameters[2]
    assert isinstance(out, Arrays)
    values = {"counts": np.array([1, 2, 9], np.uint64), "n": 2}
    assert len(out.passed([words(14), words(28)], values)) == 2
    with pytest.raises(BadArgument, match="out has 27 elements"):
        out.passed([words(14), words(27)], values)
    with pytest.raises(BadArgument, match="columns of"):
        out.passed(Columns.of([words(2, 100)]), values)  # these may only be read


def test_a_size_may_be_that_of_what_a_handle_stands_for():
    air = SimpleNamespace(address=4096, width=2, fixed_width=0, aux_width=1, fraction_uniforms=1)
    main, aux, uniforms = words(2, 32), words(3, 32), words(3)
    for wrong, said in [
        ((air, words(63), None, 5, uniforms, 0, aux, words(3)), "main has 63 elements; air.width * 2^log_height are 64"),
        ((air, main, None, 5, words(2), 0, aux, words(3)), "uniforms has 2 elements; 3 * air.fraction_uniforms are 3"),
        ((air, main, None, 5, uniforms, 0, words(95), words(3)), "aux has 95 elements; 3 * air.aux_width * 2^log_height are 96"),
        ((SimpleNamespace(address=None), main, None, 5, uniforms, 0, aux, words(3)), "air is a handle, not namespace(address=None)"),
    ]:
        assert refused("zk_logup", *wrong) == said
    # An array of no elements may be missing, one that has some may not.
    air.fixed_width = 1
    assert refused("zk_logup", air, main, None, 5, uniforms, 0, aux, words(3)) == "fixed is a contiguous array of uint64, not NoneType"
    air.fixed_width, air.aux_width = 0, 0
    assert refused("zk_logup", air, main, None, 5, uniforms, 0, None, words(2)) == "total has 2 elements; 3 are 3"


def test_an_array_that_may_be_missing_says_so():
    nodes = words(1, 4)
    native.load().zk_compress(words(2, 4), None, 1, nodes)
    native.load().zk_compress(words(2, 4), words(1, 4), 1, nodes)
