"""Every way a proof, a key or a trace can be wrong: one class each.

Rules: all of ``ProofInvalid``'s subclasses mean "this is not a proof of that";
which one says what was found first. ``code`` is stable. Nothing here is raised
for a bug of ours.
"""

from __future__ import annotations

from zisk_actors.errors import JobFailed, ProofInvalid

# --- the bytes are not a proof -------------------------------------------------


class MalformedProof(ProofInvalid):
    """The bytes are not the encoding of a proof."""

    code = "proof-malformed"


class ProofTooLarge(MalformedProof):
    """More bytes than any proof of this kind may have."""

    code = "proof-too-large"


class MockProof(MalformedProof):
    """What a mock backend makes in place of a proof. It is refused whatever else it says."""

    code = "proof-mock"


class UnknownFormat(MalformedProof):
    """The header is not that of our format, or of another version of it."""

    code = "proof-format"


class Undecodable(MalformedProof):
    """Not the expected structure: truncated, wrong types, extra fields, trailing bytes."""

    code = "proof-undecodable"


class NotCanonical(MalformedProof):
    """Decodable, but not the one encoding that this value has."""

    code = "proof-not-canonical"


class NonCanonicalWord(MalformedProof):
    """A word is not below the field's modulus."""

    code = "proof-word"


class WrongShape(MalformedProof):
    """A part has not the number of words, nodes or entries that the instances and parameters ask for."""

    code = "proof-shape"


# --- it proves something else ----------------------------------------------------


class WrongProgram(ProofInvalid):
    """The proof is about another verifying key."""

    code = "proof-other-program"


class WrongParameters(ProofInvalid):
    """The proof was made with another parameter set than the key's."""

    code = "proof-other-parameters"


class TooWeak(ProofInvalid):
    """The parameter set, or what it proves for this proof's size, is below the level asked for."""

    code = "proof-too-weak"


class WrongChipSet(ProofInvalid):
    """The verifying key is for another set of chips."""

    code = "proof-other-chips"


class WrongMemoryMap(ProofInvalid):
    """The verifying key is for a machine with another memory map."""

    code = "proof-other-memory"


class BadStatement(ProofInvalid):
    """The statement itself is out of range: outputs, exit code or final time."""

    code = "proof-statement"


# --- the instances are not those of an allowed job ---------------------------------


class BadContribution(ProofInvalid):
    """Shares are missing, repeated or out of order, or a share is empty."""

    code = "proof-shares"


class ContributionMismatch(BadContribution):
    """A share that was computed again gives another contribution: of two workers one computes wrongly."""

    code = "contribution-mismatch"


class UnknownChip(BadContribution):
    """An instance of a chip number that does not exist."""

    code = "proof-unknown-chip"


class HeightNotAllowed(BadContribution):
    """An instance's height is outside its chip's bounds, or not the key's for a chip with fixed columns."""

    code = "proof-height"


class NotInOrder(BadContribution):
    """Instances are not in canonical order."""

    code = "proof-order"


class WrongCount(BadContribution):
    """A singleton or once-a-share chip is missing, repeated, or in the wrong share."""

    code = "proof-count"


class TooManyRows(BadContribution):
    """A chip has more rows in the job than its bound, or multiplicities could wrap around the modulus."""

    code = "proof-rows"


# --- the argument fails --------------------------------------------------------------


class MissingShare(ProofInvalid):
    """There is not exactly one partial proof per contribution, in order."""

    code = "proof-missing-share"


class WrongChallenge(ProofInvalid):
    """A partial proof answers another global challenge: another statement or other contributions."""

    code = "proof-challenge"


class WrongRoot(ProofInvalid):
    """A tree's cap does not lead to the root in the key or the contribution."""

    code = "proof-root"


class QuotientMismatch(ProofInvalid):
    """The constraints do not hold at the out-of-domain point."""

    code = "proof-quotient"


class GrindingMissing(ProofInvalid):
    """The nonce does not have the proof of work."""

    code = "proof-grinding"


class PathMismatch(ProofInvalid):
    """An opened row is not in its tree."""

    code = "proof-path"


class FoldMismatch(ProofInvalid):
    """A FRI layer does not continue the one before it."""

    code = "proof-fold"


class FinalMismatch(ProofInvalid):
    """The last FRI layer is not the final polynomial."""

    code = "proof-final"


class BusImbalance(ProofInvalid):
    """The bus sums of all instances and the boundary terms do not cancel."""

    code = "proof-bus"


# --- proving -------------------------------------------------------------------------


class ZeroDenominator(JobFailed):
    """A LogUp fingerprint is zero for the challenges drawn (probability about 2^-150); nothing is patched over it."""

    code = "zero-denominator"


class UnsatisfiedTrace(JobFailed):
    """A trace does not satisfy its constraints, so there is no proof to make: a fault of emulator or chips."""

    code = "trace-unsatisfied"


class BadShare(JobFailed):
    """The tables given for a share are not ones that the chip set allows."""

    code = "share-invalid"
