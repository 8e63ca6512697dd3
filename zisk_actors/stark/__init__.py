"""The proof system: prover and verifier carry the same step numbers."""
