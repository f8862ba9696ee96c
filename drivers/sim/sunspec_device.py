"""An emulated SunSpec device: a chain of models in holding registers that a client scans, reads and writes.

Only points that the tables call writable take writes; a write that touches another is refused with exception 2, as
many devices do. `on_write` tells whoever plays the device (`drivers.sim.sunspec_hybrid`).

Faults (`fault`, "" = none): `no-marker`, `empty-chain`, `no-end` (lengths lead past the last register), `starts-wrong`
(first model is not 1), `bad-scale` (every scale factor 11), `deaf` (writes are answered and forgotten), `clipped`
(writes keep half of the value), `moved` (the chain lies 10 registers further), `stuck-high` (all words 0xFFFF).
"""

from collections.abc import Callable

from drivers.modbus.slave import ILLEGAL_ADDRESS, Refusal, Registers
from drivers.modbus.sunspec import END, Table, TablePoint
from drivers.modbus.sunspec_image import encode_chain
from drivers.modbus.sunspec_values import text_of

Values = dict[str, int | str]
DEVICE_FAULTS = (
    "no-marker", "empty-chain", "no-end", "starts-wrong", "bad-scale", "deaf", "clipped", "moved", "stuck-high",
)  # fmt: skip
_BAD_SCALE = 11
_MOVED = 10
_SIGN = 0x8000


class EmulatedSunSpec(Registers):
    """Models in order; `values[k]` are the raw values of the k-th and may be changed at any time."""

    def __init__(self, models: list[tuple[Table, Values]], *, base: int = 40_000) -> None:
        """Lay the chain out."""
        self.tables = [table for table, _ in models]
        self.values = [dict(values) for _, values in models]
        self.base = base
        self.fault = ""
        self.before_read: Callable[[], None] = lambda: None
        self.on_write: Callable[[int, str, int], None] = lambda model, name, raw: None
        self.written: list[tuple[int, str, int]] = []

    def raw(self, model: int, name: str) -> int:
        """A present raw value; 0 if it was never given."""
        index = [table.model for table in self.tables].index(model)
        return int(self.values[index].get(name, 0))

    def set(self, model: int, **raws: int) -> None:
        """Change raw values of a model."""
        self.values[[table.model for table in self.tables].index(model)].update(raws)

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Holding registers of the chain, nothing around it."""
        self.before_read()
        image = self._image()
        wanted = range(address, address + count)
        if function != 3 or any(place not in image for place in wanted):
            raise Refusal(ILLEGAL_ADDRESS)
        return [image[place] for place in wanted]

    def write(self, address: int, words: list[int]) -> None:
        """Take whole writable points."""
        self.before_read()
        taken = []
        _, places = encode_chain(self.base, list(zip(self.tables, self.values, strict=True)))
        position = address
        while position < address + len(words):
            model, name, point = self._point_at(places, position)
            part = words[position - address : position - address + point.registers]
            if not point.writable or len(part) < point.registers:
                raise Refusal(ILLEGAL_ADDRESS)
            taken.append((model, name, _raw(part, point)))
            position += point.registers
        for model, name, raw in taken:
            self.written.append((self.tables[model].model, name, raw))
            if self.fault == "deaf":
                continue
            self.values[model][name] = raw // 2 if self.fault == "clipped" else raw
            self.on_write(self.tables[model].model, name, raw)

    def _point_at(self, places: list[dict[str, int]], address: int) -> tuple[int, str, TablePoint]:
        for model, names in enumerate(places):
            for name, place in names.items():
                if place == address:
                    return model, name, _entry(self.tables[model], name)
        raise Refusal(ILLEGAL_ADDRESS)

    def _image(self) -> dict[int, int]:
        models = list(zip(self.tables, self.values, strict=True))
        if self.fault == "starts-wrong":
            models = models[1:]
        elif self.fault == "empty-chain":
            models = []
        elif self.fault == "bad-scale":
            models = [(table, {**values, **dict.fromkeys(_scales(table), _BAD_SCALE)}) for table, values in models]
        base = self.base + (_MOVED if self.fault == "moved" else 0)
        image, _ = encode_chain(base, models)
        if self.fault == "no-marker":
            image[self.base] = 0
        elif self.fault == "no-end":
            image[max(image) - 1], image[max(image)] = 64_000, 0xFFF0
        elif self.fault == "stuck-high":
            image = dict.fromkeys(image, END)
        if self.fault == "moved":
            image.update({self.base + k: word for k, word in enumerate([0x5375, 0x6E53, *([0] * (_MOVED - 2))])})
        return image


def _raw(words: list[int], point: TablePoint) -> int:
    if point.kind == "string":
        return int(bool(text_of(words)))
    value = 0
    for word in words:
        value = value << 16 | word
    top = 1 << 16 * len(words)
    return value - top if point.kind.startswith("int") and words[0] & _SIGN else value


def _entry(table: Table, name: str) -> TablePoint:
    """The table's point of a name with numbers in it."""
    group, rest = table.root, name
    while True:
        for member in group.members:
            if isinstance(member, TablePoint) and member.name == rest:
                return member
            if not isinstance(member, TablePoint) and rest.startswith(member.name + "["):
                group, rest = member, rest.partition("].")[2]
                break
        else:
            raise Refusal(ILLEGAL_ADDRESS)


def _scales(table: Table) -> list[str]:
    return [m.name for m in table.root.members if isinstance(m, TablePoint) and m.kind == "sunssf"]
