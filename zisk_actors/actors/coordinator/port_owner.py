"""Which process listens on a TCP port, where the kernel lets us know: Linux, and processes that we may look into."""

from __future__ import annotations

from pathlib import Path

LISTENING = "0A"


def owner_of(port: int, proc: Path = Path("/proc")) -> str:
    """Such as "process 4711, zisk-coordinator"; empty where it cannot be known."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not sockets:
        return ""
    for process in proc.glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                return f"process {process.name}, {_name(process)}"
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return ""


def _inodes(port: int, proc: Path) -> list[str]:
    """The inodes of the sockets that listen on a port, as the columns of /proc/net/tcp have them."""
    found: list[str] = []
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        rows = [line.split() for line in lines]
        found += [row[9] for row in rows if len(row) > 9 and row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]
    return found


def _name(process: Path) -> str:
    """What was started: the module of `python -m`, else the file name of the command."""
    words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    if "-m" in words[1:-1]:
        return words[words.index("-m") + 1][:60]
    return Path(words[0]).name[:60] or "unknown"
