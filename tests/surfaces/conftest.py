"""The page over made-up states: fixtures shared by the tests of this folder."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def states() -> ModuleType:
    """The module `page_states` beside this file."""
    spec = importlib.util.spec_from_file_location("page_states", Path(__file__).with_name("page_states.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
