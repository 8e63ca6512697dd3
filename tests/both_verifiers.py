"""Both verifiers at once: the specification (stark/verifier.py) and the native one must say the same of everything."""

from __future__ import annotations

from functools import cache

from zisk_actors.backends.build import build_chip_set
from zisk_actors.chips import CHIP_SET
from zisk_actors.errors import ZiskError
from zisk_actors.stark import keys, native_verifier, proof, verifier
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.native_verifier import NativeVerifier
from zisk_actors.stark.proof import Proof
from zisk_actors.stark.verifier import Verified


@cache
def native_for(chip_set: ChipSet) -> NativeVerifier:
    """The native verifier of a chip set, compiled where it is not the shipped one."""
    return native_verifier.for_chip_set(chip_set, None if chip_set is CHIP_SET else build_chip_set(chip_set))


def verify(data: bytes, vk: bytes, chip_set: ChipSet, level: int) -> Verified:
    """What both say of a proof file and a key file; AssertionError where they differ."""

    def specified() -> Verified:
        return verifier.verify(proof.decode(data), keys.decode_key(vk), chip_set, level)

    answers: list[Verified | ZiskError] = []
    for ask in (specified, lambda: native_for(chip_set).verify(data, vk, level)):
        try:
            answers.append(ask())
        except ZiskError as error:
            answers.append(error)
    expected, said = answers
    if isinstance(expected, ZiskError):
        assert type(said) is type(expected), f"the specification says {expected.code}, the native verifier {said}"
        raise expected
    assert said == expected
    return expected


def verify_values(value: Proof, vk: VerifyingKey, chip_set: ChipSet, level: int = 128) -> Verified:
    """What both say of a proof and a key as values."""
    return verify(proof.encode(value), vk.encode(), chip_set, level)
