"""`make test DEEP=1`: all tests, in two processes: what only reckons for long beside what waits for processes.

The contracts' audits and the months of glitches keep one core busy for many minutes; daemons, brokers and chains under
test mostly wait. Side by side they take about half the time. What the reckoning half printed follows the other half's
output; the exit code is that of the half that failed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECKONING = (
    "tests/golden/test_contract_audits.py",
    "tests/golden/test_foundry.py",
    "tests/unit/drivers_chips/test_month_of_glitches.py",
    "tests/unit/drivers_modbus/test_modbus_month.py",
)


def main(words: list[str]) -> int:
    """Runs both halves; the exit code."""
    pytest = [sys.executable, "-m", "pytest", *words]
    with tempfile.TemporaryFile("w+") as told:
        reckoning = subprocess.Popen([*pytest, *RECKONING], cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
        try:
            waiting = subprocess.run([*pytest, *(f"--ignore={file}" for file in RECKONING)], cwd=ROOT, check=False)
            reckoned = reckoning.wait()
        finally:
            if reckoning.poll() is None:
                reckoning.terminate()
                reckoning.wait()
        told.seek(0)
        print("-- reckoning half\n" + told.read(), flush=True)
    return waiting.returncode or reckoned


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
