"""The contracts' own tests, in Solidity: every refusal, every row of the state diagrams, invariants under fuzzing.

Short in every run; as deep as the profile `ci` says under the marker deep. Both use one build: forge keeps what has
not changed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
LEAST_TESTS = 350


def _run(profile: str) -> None:
    forge = next(CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge"), None)
    if forge is None:
        pytest.skip("SKIPPED LOUDLY: Foundry is not installed; `make test` installs it with npm")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "FOUNDRY_PROFILE": profile, "NO_COLOR": "1"}
    ran = subprocess.run([forge, "test"], cwd=CONTRACTS, env=environment, capture_output=True, text=True)
    summary = re.search(r"(\d+) tests passed, (\d+) failed, (\d+) skipped", ran.stdout)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert summary is not None
    assert int(summary[1]) >= LEAST_TESTS
    assert (summary[2], summary[3]) == ("0", "0")


@pytest.mark.timeout(900)
def test_the_contracts_pass_their_own_tests() -> None:
    _run("default")


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_the_contracts_pass_their_own_tests_in_depth() -> None:
    _run("ci")
