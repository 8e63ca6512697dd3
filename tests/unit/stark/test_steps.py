"""Prover, verifier, native verifier and docs/protocol.md have the same steps: names, numbers, what each is, and their order."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from zisk_actors.stark import prover, verifier

ROOT = Path(__file__).resolve().parents[3]
NATIVE = (ROOT / "native" / "verifier" / "steps.hpp").read_text()
STEPS = range(1, 10)


def in_python(module: ModuleType) -> dict[str, str]:
    """The steps of a module with the first sentence of what is said of each."""
    steps = {name: value for name, value in vars(module).items() if name.startswith("step_")}
    return {name: re.match(r".*?[.](?=\s|$)", (value.__doc__ or "")[3:].lstrip())[0] for name, value in steps.items()}


def in_native() -> dict[str, str]:
    """The same of the native verifier."""
    found = re.findall(r"^// \d\. (.*?[.])(?: .*)?\n(?:// .*\n)*(?:template <class F>\n)?inline \w+ (step_\w+)\(", NATIVE, re.MULTILINE)
    return {name: said for said, name in found}


def called(text: str) -> list[str]:
    """The steps that a text calls, in its order."""
    return re.findall(r"\b(step_\d_\w+)(?:<F>)?\(", text)


@pytest.mark.parametrize("module", [prover, verifier])
def test_each_step_has_its_number_and_they_are_nine(module: ModuleType):
    steps = in_python(module)
    assert sorted(int(name.split("_")[1]) for name in steps) == list(STEPS)
    for name in steps:
        assert vars(module)[name].__doc__.startswith(f"{name.split('_')[1]}. ")


def test_the_steps_of_both_sides_are_the_same():
    assert in_python(prover) == in_python(verifier) == in_native()
    assert prover.step_2_logup_challenges is verifier.step_2_logup_challenges


def test_they_are_called_in_order():
    names = sorted(in_python(verifier))
    assert called(inspect.getsource(verifier.verify_share)) == names
    assert called(inspect.getsource(prover.contribute) + inspect.getsource(prover.prove)) == names
    assert called(NATIVE[NATIVE.index("inline Verdict verify_share(") :]) == names


def test_the_page_of_the_protocol_has_them():
    page = (ROOT / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| (\d) \| `(step_\w+)` \|", page, re.MULTILINE)
    assert [(number, name) for number, name in rows] == [(name.split("_")[1], name) for name in sorted(in_python(verifier))]
