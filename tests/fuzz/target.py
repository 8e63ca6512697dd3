"""Coverage-guided fuzzing of what reads bytes from outside: the native verifier, its specification, the ELF loader.

    python -m tests.fuzz.target proof|key|elf CORPUS [options of libFuzzer]

Rules: nothing may crash, take a second of a core, or a gibibyte. libFuzzer watches the memory and the clock on the wall, which
says little on a busy machine; the time that an input takes of a core is measured here. Both verifiers must agree; where the
native one got as far as the openings, the specification, which is thirty times slower, is asked for one input in eight.
scripts/fuzz sets up what this needs: atheris, and a core compiled with sanitizers.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["zisk_actors.stark", "zisk_actors.machine.elf", "zisk_actors.machine.rom"]):
    from zisk_actors.machine import elf, rom
    from zisk_actors.stark import keys, proof, verifier

import msgspec

from tests import toy
from tests.conformance.test_verifiers import changed_somewhere, encoded
from zisk_actors import native
from zisk_actors.errors import ZiskError
from zisk_actors.stark.magic import KEY_MAGIC, PROOF_MAGIC

GUESTS = Path(__file__).resolve().parents[1] / "guests"
# Verdicts that come after the expensive part has begun: native/verifier/verdict.hpp.
DEEP = range(21, 28)
MOST_SECONDS = 1.0


class Core:
    """The sanitized native verifier with the toy chips."""

    def __init__(self, library: Path) -> None:
        # The core's coverage goes to libFuzzer, and libFuzzer finds atheris's mutator: each must be there before who asks for it.
        for module in ("custom_mutator", "core_with_libfuzzer"):
            found = importlib.util.find_spec(f"atheris.{module}")
            assert found is not None, f"this atheris has no {module}"
            ctypes.CDLL(found.origin, ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(library))
        assert self._library.zk_fuzz_begin(), "libFuzzer is not in this process"
        self._library.zk_chip_set.restype = ctypes.c_void_p
        self._chips = ctypes.c_void_p(self._library.zk_chip_set())
        self._codes = native.load()

    def verify(self, data: bytes, vk: bytes) -> tuple[int, str]:
        """The verdict's number and code."""
        sizes = [ctypes.c_uint64(len(each)) for each in (data, vk)]
        verdict = self._library.zk_fuzz_verify(data, sizes[0], vk, sizes[1], self._chips)
        return verdict, self._codes.zk_verdict_code(verdict)


def specified(data: bytes, vk: bytes) -> str:
    """The specification's word."""
    try:
        verifier.verify(proof.decode(data), keys.decode_key(vk), toy.CHIPS, 0)
    except ZiskError as error:
        return error.code
    return "accepted"


def timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """``target``, which may not take longer than MOST_SECONDS of a core."""

    def run(content: bytes) -> None:
        start = time.process_time()
        target(content)
        taken = time.process_time() - start
        assert taken < MOST_SECONDS, f"an input took {taken:.1f} seconds of a core"

    return run


def small() -> tuple[bytes, bytes]:
    """A proof of one share with the smallest tables, and its key."""
    from tests.property.test_tamper_proof import small as made

    data, vk = made()
    return data, vk.encode()


def main() -> None:
    what, corpus = sys.argv[1], Path(sys.argv[2])
    corpus.mkdir(parents=True, exist_ok=True)
    data, vk = small()
    if what == "elf":
        for path in GUESTS.glob("*.elf"):
            (corpus / path.name).write_bytes(path.read_bytes())

        def one_elf(content: bytes) -> None:
            try:
                rom.load_program(content)
            except elf.ElfError:
                return

        target, mutate = one_elf, None
    else:
        core = Core(Path(os.environ["ZISK_FUZZ_CORE"]))
        assert core.verify(data, vk)[1] == specified(data, vk) == "accepted"
        honest, magic = (data, PROOF_MAGIC) if what == "proof" else (vk, KEY_MAGIC)
        (corpus / "honest").write_bytes(honest)

        def one_pair(content: bytes) -> None:
            files = (content, vk) if what == "proof" else (data, content)
            verdict, code = core.verify(*files)
            assert verdict or content == honest, "something else than the honest file is accepted"
            if verdict in DEEP and zlib.crc32(content) % 8:
                return
            expected = specified(*files)
            assert code == expected, f"the native verifier says {code}, the specification {expected}"

        def restructure(content: bytes, limit: int, seed: int) -> bytes:
            """Half of the changes are to bytes, half to the structure."""
            random = Random(seed)
            if random.random() < 0.5:
                return bytes(atheris.Mutate(content, limit))
            try:
                value = msgspec.msgpack.decode(content[len(magic) :])
            except (msgspec.DecodeError, ValueError, RecursionError):
                value = msgspec.msgpack.decode(honest[len(magic) :])
            try:
                return (content[: len(magic)] + encoded(changed_somewhere(value, random), random, random.choice([0.0, 0.002])))[:limit]
            except (TypeError, OverflowError, RecursionError):  # a map, a float, something that our encoder does not write
                return bytes(atheris.Mutate(content, limit))

        target, mutate = one_pair, restructure
    atheris.Setup([sys.argv[0], *sys.argv[3:], str(corpus)], timed(target), custom_mutator=mutate, internal_libfuzzer=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
