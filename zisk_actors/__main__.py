"""`python -m zisk_actors` is `zisk`."""

from __future__ import annotations

from zisk_actors.cli.main import main

if __name__ == "__main__":
    main()
