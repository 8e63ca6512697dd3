"""`zisk verify`: does this file prove what I think it does? Offline: it needs the proof, and the program or its verifying key.

Rules of this file:
* The parameter set and the program are the caller's, never the proof's: a proof made with weaker parameters is refused.
* Whatever is wrong with the proof, the command prints one line that says so and exits with 10.
"""

from __future__ import annotations

import click

from zisk_actors.cli.output import echo, json_option, output_lines, params_option, print_json, read_file, verified_fields
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError


@verb(20)
@click.command()
@click.argument("proof", metavar="PROOF")
@click.option("--elf", metavar="FILE", help="The program, as its ELF file.")
@click.option("--vk", metavar="FILE", help="The program, as its verifying key (from `zisk program setup`).")
@params_option
@json_option
def verify(proof: str, elf: str | None, vk: str | None, level: str, as_json: bool) -> None:
    """Check a proof without a cluster.

    Prints the program, the public output, the exit code, and the security that the parameter set proves. Exits with 0 only if the proof
    holds for that program at the level asked for, with 10 if it does not.
    """
    if (elf is None) == (vk is None):
        raise UsageError("name the program that the proof is of: --elf FILE or --vk FILE", hint="one of the two, not both")
    proof_bytes = read_file(proof, "proof")
    elf_bytes = read_file(elf, "program") if elf is not None else None
    vk_bytes = read_file(vk, "verifying key") if vk is not None else None

    from zisk_actors.proving import verify as verify_proof

    verified = verify_proof(proof_bytes, vk=vk_bytes, elf=elf_bytes, level=level)
    if as_json:
        print_json(
            "zisk.verify/1",
            valid=True,
            **verified_fields(verified),
            proof_bytes=len(proof_bytes),
        )
        return
    echo("valid")
    echo(f"program    {verified.program}")
    for index, line in enumerate(output_lines(verified.output)):
        echo(f"{'output' if index == 0 else '':10} {line}")
    echo(f"exit code  {verified.exit_code}")
    echo(f"steps      {verified.steps}")
    echo(f"shares     {verified.shares}")
    insecure = "  INSECURE: for tests only" if verified.params == "test" else ""
    echo(f"params     {verified.params} ({verified.bits:.1f} proven bits){insecure}")
