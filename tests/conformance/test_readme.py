"""The README's Python runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest_models import fibonacci


@pytest.mark.slow
@pytest.mark.cluster
def test_the_python_of_the_readme(repository: Path, tmp_path: Path):
    blocks = re.findall(r"^```python\n(.*?)^```", (repository / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    script = tmp_path / "readme.py"
    script.write_text(f"import sys\nsys.path[:] = {sys.path!r}\n{blocks[0]}")
    answer = subprocess.run([sys.executable, str(script)], cwd=repository, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    code, bits, output = answer.stdout.splitlines()[-1].split()
    assert (code, output) == ("0", fibonacci(20).output.ljust(256, b"\0").hex())
    assert float(bits) >= 128
