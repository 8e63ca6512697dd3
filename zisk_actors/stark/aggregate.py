"""From partial proofs to one proof.

Rules: nothing is aggregated that does not verify. Partial proofs may arrive in
any order; each is checked when it arrives, so the one that is wrong is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from zisk_actors.air.evaluate import Ext, ext_add
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark import rules
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.errors import MissingShare, WrongProgram
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.proof import PartialProof, Proof
from zisk_actors.stark.statement import Contribution, Digest, Statement, global_challenge
from zisk_actors.stark.verifier import check_balance, verify_share


class Aggregation:
    """Collects a job's partial proofs."""

    def __init__(self, statement: Statement, contributions: Sequence[Contribution], vk: VerifyingKey, chip_set: ChipSet) -> None:
        rules.check_key(chip_set, vk)
        if statement.vk != vk.digest:
            raise WrongProgram("the statement is about another program than the verifying key")
        rules.check_job(chip_set, vk, contributions)
        self.statement = statement
        self.contributions = tuple(contributions)
        self.challenge: Digest = global_challenge(vk.parameters, statement, contributions)
        self._vk, self._chip_set = vk, chip_set
        self._partials: dict[int, PartialProof] = {}
        self._sums: dict[int, list[Ext]] = {}

    @property
    def missing(self) -> list[int]:
        """Shares whose partial proofs have not come yet."""
        return [share for share in range(len(self.contributions)) if share not in self._partials]

    def add(self, partial: PartialProof) -> None:
        """Check one partial proof and keep it; a subclass of ProofInvalid that names the share if it is wrong. Adding it again changes
        nothing."""
        if not 0 <= partial.share < len(self.contributions):
            raise MissingShare(f"there is no share {partial.share} in this job")
        if self._partials.get(partial.share) == partial:
            return
        try:
            sums = verify_share(partial, self.contributions[partial.share], self.challenge, self._vk, self._chip_set)
        except ProofInvalid as error:
            error.share = partial.share
            raise
        self._sums[partial.share] = sums
        self._partials[partial.share] = partial

    def finish(self) -> Proof:
        """The proof, once no share is missing and all bus sums cancel."""
        if self.missing:
            raise MissingShare(f"partial proofs of shares {self.missing} are missing")
        total: Ext = (0, 0, 0)
        for sums in self._sums.values():
            for claimed in sums:
                total = ext_add(total, claimed)
        check_balance(total, self.statement, self.challenge, self._vk, self._chip_set)
        partials = tuple(self._partials[share] for share in range(len(self.contributions)))
        return Proof(self._vk.parameters, self.statement, self.contributions, partials)


def aggregate(
    statement: Statement,
    contributions: Sequence[Contribution],
    partials: Sequence[PartialProof],
    vk: VerifyingKey,
    chip_set: ChipSet,
) -> Proof:
    """All partial proofs, in any order, as one proof. Errors as ``verify``."""
    aggregation = Aggregation(statement, contributions, vk, chip_set)
    for partial in partials:
        aggregation.add(partial)
    return aggregation.finish()
