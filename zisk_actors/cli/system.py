"""What the operating system refuses at a command's edge, in its own words; and standard streams that are closed or full.

Rule of this file: a refusal names the path, or standard output, and what the system says. It is never taken for a bug of ours.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from zisk_actors.errors import SystemRefused


def refused_by_system(error: OSError) -> SystemRefused:
    """What the system does not let us do, in its own words; afterwards stdout can be flushed."""
    words = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        if _while_printing(error):
            drop_stdout()
            return SystemRefused(f"cannot write to standard output: {words}")
        return SystemRefused(words)
    places = " to ".join(os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None and not isinstance(name, int))
    hint = ""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOSPC):
        hint = "give it to this user, or make room; ZISK_HOME names another folder for what we keep"
    return SystemRefused(f"{places}: {words}", hint=hint)


def _while_printing(error: OSError) -> bool:
    """Whether it came from writing to stdout; the error itself does not say."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    echoed = any(frame.f_code is click.echo.__code__ and not frame.f_locals["err"] for frame in frames)
    return echoed or frames[-1].f_code is flush_stdout.__code__


def drop_stdout() -> None:
    """Nobody takes what is printed: the flush at exit must not fail either."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def flush_stdout() -> None:
    """Have written what was printed. Raises `OSError`."""
    sys.stdout.flush()


def occupy_closed_streams() -> None:
    """Have something at the descriptors 0 to 2 where the caller closed them. What is printed to a closed stdout is an error, as it should
    be; to a closed stderr nothing can be said."""
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, mode)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115 - until the process ends
