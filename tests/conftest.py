"""Fixtures shared by every layer of tests."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The specification's folder with oracles, vectors and measured data; its absence skips loudly."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"SKIPPED LOUDLY: {folder} is missing, so its oracles and data cannot judge this code")
    return folder
