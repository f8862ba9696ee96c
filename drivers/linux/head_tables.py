"""Writes drivers/head/tables.py: the two SunSpec models that a sensor head serves, as code that needs no CSV reader.

`python -m drivers.linux.head_tables` prints the module; a test fails when the committed one differs.
"""

import sys

from drivers.linux.modbus_sunspec_tables import table
from drivers.modbus.sunspec import Group

_HEAD = '''"""SunSpec models 1 and 203 as a sensor head serves them.

Generated from drivers/modbus/data/sunspec-models.csv by `python -m drivers.linux.head_tables`; symbols are left out,
nobody asks a server for them. Portable.
"""

from drivers.modbus.sunspec import Group, Table, TablePoint

'''
_NAMES = {1: "COMMON", 203: "METER"}


def module() -> str:
    """The whole module's text."""
    return _HEAD + "\n".join(_table(number, name) for number, name in _NAMES.items())


def _table(number: int, name: str) -> str:
    lines = [f"{name} = Table(", f"    {number},", '    Group("", "", ['] + [
        f'        TablePoint("{one.name}", "{one.kind}", {one.registers}, "{one.scale}", False, {{}}),'
        for one in table(number).root.members
        if not isinstance(one, Group)
    ]
    return "\n".join([*lines, "    ]),", ")  # fmt: skip", ""])


if __name__ == "__main__":
    sys.stdout.write(module())
