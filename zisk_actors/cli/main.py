"""`zisk`: the groups of commands, and the one place where errors become words and exit codes.

Rules of this file:
* Nothing heavy is imported before a command runs; `zisk --help` stays under 300 ms.
* A `ZiskError` is printed as `error[code]: message` with its hint and decides the exit code. What the operating system refuses is
  `error[system]` with the path and its own words. Anything else is a bug of ours: one line, exit code 1, the traceback only with
  ZISK_DEBUG=1.
* A standard stream that was closed before we began is taken by nobody else: a file that is opened later must not get what is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import click

from zisk_actors import __version__
from zisk_actors.cli.output import Interrupted, echo, report
from zisk_actors.cli.system import drop_stdout, flush_stdout, occupy_closed_streams, refused_by_system
from zisk_actors.cli.verbs import verbs
from zisk_actors.errors import ZiskError

INTERNAL_ERROR: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
CLOSED_PIPE: Final = 141
SIGNALLED: Final = 128


class Ordered(click.Group):
    """Lists its commands in the order in which people need them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Ordered, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="zisk")
def cli() -> None:
    """Prove runs of RISC-V programs, on this machine or on a cluster.

    \b
    zisk prove guest.elf --record input.bin -o proof.bin
    zisk verify proof.bin --elf guest.elf
    """


for command in verbs():
    cli.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code. Nothing that a user does makes it raise."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        complete_in_shell()
        with cli.make_context("zisk", words) as context:  # not cli.main: it would turn a closed pipe into exit code 1
            cli.invoke(context)
        flush_stdout()
        return 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except ZiskError as error:
        report(error, as_json="--json" in words)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message())
        return USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "zisk"
        report(_Usage(error.format_message(), hint=f"`{where} --help` shows what it takes"), as_json="--json" in words)
        return USAGE
    except click.ClickException as error:
        report(_Usage(error.format_message()), as_json="--json" in words)
        return USAGE
    except (click.Abort, KeyboardInterrupt) as interrupt:
        if not isinstance(interrupt, Interrupted):
            echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return CLOSED_PIPE
    except OSError as error:
        if os.environ.get("ZISK_DEBUG") == "1":
            raise
        refused = refused_by_system(error)
        report(refused, as_json="--json" in words)
        return refused.exit_code
    except Exception as error:  # the boundary: whatever arrives here is a bug of ours
        if os.environ.get("ZISK_DEBUG") == "1":
            raise
        said = " ".join(str(error).split())
        echo(f"error[internal]: internal error, please report it: {type(error).__name__}: {said}"[:500], err=True)
        echo("hint: ZISK_DEBUG=1 shows where it happened", err=True)
        return INTERNAL_ERROR


def complete_in_shell() -> None:
    """Answers a shell that completes a command line (`_ZISK_COMPLETE=bash_source zisk` prints what to source) and exits."""
    instruction = os.environ.get("_ZISK_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(cli, {}, "zisk", "_ZISK_COMPLETE", instruction))


class _Usage(ZiskError):
    """What click has to say about a command line, in the form of our own errors."""

    code = "usage"
    exit_code = USAGE


def leave(number: int, frame: object) -> None:
    """Ends the process on a signal the way an exception would: what is open is closed, an embedded cluster stops."""
    sys.exit(SIGNALLED + number)


def main() -> None:
    """The entry point of the `zisk` command."""
    occupy_closed_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    sys.exit(run())


if __name__ == "__main__":
    main()
