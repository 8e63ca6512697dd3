"""`python -m tests.mutation.under NAME TEST...`: runs tests in a process that imports the mutant of that name. Exit code as pytest's."""

from __future__ import annotations

import sys

import pytest

from tests.mutation.source import install, named

if __name__ == "__main__":
    install(named(sys.argv[1]))
    raise SystemExit(pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-m", "not slow", *sys.argv[2:]]))
