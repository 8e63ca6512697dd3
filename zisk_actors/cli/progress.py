"""How a job's progress looks: one moving line on a terminal, one line per change anywhere else. All of it on stderr.

Rules of this file:
* It reads job statuses (`zisk_actors.wire.values.JobStatus`) and knows nothing of where they come from.
* A line off the terminal is printed when the state, the phase, or what the job waits for changes, or another tenth of it is done.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from zisk_actors.cli.output import duration, echo
from zisk_actors.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from zisk_actors.wire.values import JobStatus


def describe(status: JobStatus) -> str:
    """`prove 2/3, 2 shares on 2 workers`, `queued, position 3: waiting for a worker`, `completed`."""
    if status.state.value == "queued":
        words = "queued" if status.position is None else f"queued, position {status.position}"
        return f"{words}: {status.waiting_for}" if status.waiting_for else words
    if status.state.value == "waiting_for_input":
        return f"waiting for {status.waiting_for}" if status.waiting_for else "waiting for its input"
    if status.state.value != "running" or status.phase is None:
        return status.state.value
    workers = len({share.worker for share in status.shares})
    if workers == 0:
        return status.phase.value
    return f"{status.phase.value}, {counted(len(status.shares), 'share')} on {counted(workers, 'worker')}"


def counted(count: int, noun: str) -> str:
    """`1 share`, `2 shares`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Progress:
    """Shows the progress of one job while it is entered."""

    def __init__(self, *, quiet: bool = False, terminal: bool | None = None) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._bar: Bar | None = None
        self._said: tuple[object, ...] | None = None

    def __enter__(self) -> Progress:
        if self._terminal and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = ("{task.description}", "{task.percentage:>3.0f} %", "{task.fields[left]}")
            text = [TextColumn(column, markup=False) for column in columns]
            self._bar = Bar(BarColumn(24), *text, console=Console(stderr=True), transient=True)
            self._bar.add_task("waiting", total=100.0, left="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, status: JobStatus) -> None:
        """Shows what is new in a status of the job."""
        left = "" if status.eta_seconds is None else f"{duration(status.eta_seconds)} left"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=status.percent, description=printable(describe(status)), left=left)
            return
        if self._quiet:
            return
        now = (status.state.value, status.phase, status.waiting_for, int(status.percent // 10))
        if now != self._said:
            self._said = now
            echo(f"{status.percent:3.0f} %  {describe(status)}" + (f"  {left}" if left and not status.state.final else ""), err=True)
