"""The reference pages say what the code does; a new option, code, topic or command without its line is noticed."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_generated_pages_are_up_to_date():
    checked = subprocess.run(
        [sys.executable, str(REPOSITORY / "docs" / "generate.py"), "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env=None,
    )
    assert checked.returncode == 0, checked.stderr
