"""Parts of chips without which no test fails, because nothing is lost: each follows from others. By part, with the reason.

Rules. The list is held against the code: a part that does not exist, or that a lie is found for, is an error, and so is a survivor that
is not here.
"""

from __future__ import annotations

from typing import Final

_TWO_FLAGS = (
    "the other flag and the sum are bits, so this one is a bit, or -1 beside a 1: then the sum is 0, and the row says nothing on any bus"
)
_SUM = (
    "each flag is a bit, so a row counts between 0 and the number of flags; all rows of one time count 1 together, "
    "as the verifier puts one "
    "control token and time only grows, so a row that is used counts 1"
)
_NO_OP = (
    "with the other flags and the sum bits, a flag that is none gives the op before the first or behind the last of the chip, and that "
    "instruction's x fields are a power of two, where this chip looks up zeros"
)
_ADDRESS = (
    "the row of an address is one, and the other side of the bus takes or gives each address once or never: the bus leaves one choice"
)

SURVIVORS: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *("slti/constraint/flag of SLTI is a bit", "slti/constraint/flag of SLTIU is a bit"),
            *("addw/constraint/flag of ADDW is a bit", "addw/constraint/flag of SUBW is a bit"),
            *("brancheq/constraint/flag of BEQ is a bit", "brancheq/constraint/flag of BNE is a bit"),
            *("storeb/constraint/flag of SB is a bit", "storeb/constraint/flag of SH is a bit"),
            "loadw/constraint/flag of LWU is a bit",
        ),
        _TWO_FLAGS,
    ),
    **{
        f"{chip}/constraint/sum of flags is a bit": _SUM
        for chip in (
            *("sub", "slti", "addw", "logic", "logici", "shift", "shifti", "shiftw", "shiftiw"),
            *("brancheq", "loadw", "storeb", "mul"),
        )
    },
    "shift/constraint/flag of SLL is a bit": _NO_OP,
    "shiftw/constraint/flag of SLLW is a bit": _NO_OP,
    "shiftw/constraint/flag of SRAW is a bit": _NO_OP,
    "shift/constraint/flag of SRA is a bit": (
        "with the other flags and the sum bits, it can be -1 only where the op is XORI's with immediate 0 and rs2 is "
        "register 0: the amount "
        "is 0 then, and what the row writes is rs1, as it must"
    ),
    "branchlt/constraint/real is a bit": (
        "the op is real times BLT's, plus bits: it is in the ROM only if real is a quotient of small numbers, and no "
        "rows of such weights but "
        "one honest row make up the one control token of their time"
    ),
    "loadb/constraint/real is a bit": (
        "real times LB's op, plus bits, is an op, and 128 (real - unsigned) is a byte: together only 0 and 1 are left"
    ),
    "div/constraint/real is a bit": (
        "twice real is a whole number by the third carry, and not negative by the bound on the remainder; all rows of one time count 1 "
        "together: it is one row, or two halves of one, as the quotient is unique for either"
    ),
    "div/constraint/x_sign is a bit": "it is a product of two bits: 1 - unsigned, and what MSB16 gives",
    "div/constraint/y_sign is a bit": "it is a product of two bits: 1 - unsigned, and one of two that MSB16 gives",
    "div/constraint/zero is a bit": (
        "it is 0 unless the divisor is 0; and if that is 0, whatever it is but 0, the quotient is all ones and the "
        "remainder the dividend; at 0 "
        "there is no bound on the remainder to be met"
    ),
    "div/constraint/r_sign is a bit": (
        "it is the dividend's sign unless the remainder is 0, then a whole number by the third word, and the bound on the remainder leaves "
        "0 and 1"
    ),
    "div/constraint/the remainder is negative only if the dividend is": (
        "a remainder of another sign than the dividend's is 0, and with sign 1 it would be -2^64, which is not below the divisor"
    ),
    "div/constraint/the quotient by 0 has no sign": (
        "the sign is multiplied by the divisor, or by its sign: by 0, then, and nothing else reads it"
    ),
    "loadb/constraint/unsigned is a bit": (
        "128 (real - unsigned) is a byte, so unsigned is 0 or 1 where real is 1; of other rows nothing is asked"
    ),
    "ram/constraint/is_image is a bit": _ADDRESS,
    "ram/constraint/is_output is a bit": _ADDRESS,
    "ram/constraint/output rows are used": (
        "an unused row has the address of the last word of RAM, which is no output word: nobody takes it"
    ),
    "ram/constraint/the first row is used": "used rows are a prefix, so without the first there are none, and nobody puts the output words",
    "input/constraint/the first row is used": (
        "used rows are a prefix, so without the first there are none, and the address stays: it cannot be both ends of the region"
    ),
    **{
        f"{chip}/constraint/wide is a bit": "one limb of the power is not 0, and so wide or 1 - wide is 0 by the two constraints on limbs"
        for chip in ("shift", "shifti")
    },
}

# Of the code: by name of the mutant (tests/mutation/source.py).
CODE_SURVIVORS: Final[dict[str, str]] = {
    "stark/verifier.py: call verify: proof.statement.check": "global_challenge checks the statement again, before anything is made of it",
}
