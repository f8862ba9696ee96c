"""Prints `id,computed` for the Modbus vectors on any interpreter. Arguments: folder of `drivers`, the vector file.

Started by test_eastron_on_micropython, which compares the interpreters; plain Python that MicroPython runs too.
"""

import sys

sys.path.insert(0, sys.argv[1])

from drivers._vectors_modbus import compute


def cells(line: str) -> list[str]:
    """The cells of a line in which a comma may stand between quotation marks."""
    found = [""]
    quoted = False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            found.append("")
        else:
            found[-1] += character
    return found


def pairs(text: str) -> dict[str, str]:
    """`a=1 b=2` as a dictionary."""
    found = {}
    for word in text.split():
        place = word.index("=")
        found[word[:place]] = word[place + 1 :]
    return found


with open(sys.argv[2]) as file:
    lines = file.read().split("\n")[1:]
for line in lines:
    if line.strip():
        row = cells(line.strip())
        print(row[0] + "," + compute(row[1], row[2], pairs(row[3]), pairs(row[4])))
