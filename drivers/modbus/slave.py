"""The answering side of Modbus: requests become answers, for the sensor head, the Worker's server and emulators.

    request PDU  03|04 address(2) count(2)            answer  03|04 bytes(1) words
                 06 address(2) word(2)                answer  the request
                 10 address(2) count(2) bytes(1) words answer  10 address count
    refusal      function|80 code(1): 1 no such function, 2 no such address, 3 no such value, 4 failed, 6 busy
    RTU frame    unit PDU crc-low crc-high            a wrong checksum: no answer at all
    TCP frame    transaction(2) 0(2) length(2) unit PDU

Source: Modbus Application Protocol V1.1b3, Modbus over Serial Line V1.02, Messaging on TCP/IP V1.0b. Portable.
"""

from drivers.modbus.registers import crc16_bytes

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, FAILED, BUSY = 1, 2, 3, 4, 6
MOST_READ, MOST_WRITTEN = 125, 123
TCP_HEADER = 7
_LONGEST_PDU = 253


class Refusal(Exception):
    """What a unit answers instead: `code` is the exception code."""

    def __init__(self, code: int) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


class Registers:
    """What a unit offers; both methods raise Refusal. This one has nothing."""

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers by function 3 or 4."""
        raise Refusal(ILLEGAL_ADDRESS)

    def write(self, address: int, words: list[int]) -> None:
        """Write holding registers."""
        raise Refusal(ILLEGAL_ADDRESS)


def answer_pdu(registers: Registers, pdu: bytes) -> bytes:
    """Return the answer to a request; never raises for what a client sends."""
    function = pdu[0] if pdu else 0
    try:
        if function in (3, 4) and len(pdu) == 5:
            return _read(registers, pdu)
        if function == 6 and len(pdu) == 5:
            registers.write(_word(pdu, 1), [_word(pdu, 3)])
            return pdu
        if function == 16 and len(pdu) >= 6:
            return _write(registers, pdu)
        return bytes((function & 0x7F | 0x80, ILLEGAL_FUNCTION))
    except Refusal as refusal:
        return bytes((function & 0x7F | 0x80, refusal.code))


def _word(data: bytes, place: int) -> int:
    return data[place] << 8 | data[place + 1]


def _read(registers: Registers, pdu: bytes) -> bytes:
    address, count = _word(pdu, 1), _word(pdu, 3)
    if not 1 <= count <= MOST_READ:
        raise Refusal(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise Refusal(ILLEGAL_ADDRESS)
    words = registers.read(pdu[0], address, count)
    data = bytearray((pdu[0], 2 * count))
    for word in words:
        data.append(word >> 8)
        data.append(word & 0xFF)
    return bytes(data)


def _write(registers: Registers, pdu: bytes) -> bytes:
    address, count = _word(pdu, 1), _word(pdu, 3)
    if not 1 <= count <= MOST_WRITTEN or pdu[5] != 2 * count or len(pdu) != 6 + 2 * count:
        raise Refusal(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise Refusal(ILLEGAL_ADDRESS)
    registers.write(address, [_word(pdu, 6 + 2 * place) for place in range(count)])
    return pdu[:5]


def rtu_request_length(head: bytes) -> int:
    """Return how many bytes a request that begins so has; 0 while that cannot be told."""
    if len(head) < 2:
        return 0
    if head[1] != 16:
        return 8
    return 9 + head[6] if len(head) > 6 else 0


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Return a whole RTU frame."""
    body = bytes((unit,)) + pdu
    return body + crc16_bytes(body)


def rtu_content(frame: bytes) -> "tuple[int, bytes] | None":
    """Return unit and PDU of a frame, None if it is too short or its checksum is wrong."""
    if len(frame) < 4 or crc16_bytes(frame[:-2]) != frame[-2:]:
        return None
    return frame[0], frame[1:-2]


def tcp_request_length(head: bytes) -> int:
    """Return how many bytes a TCP frame that begins so has, 0 while that cannot be told, -1 if it is no Modbus."""
    if len(head) < TCP_HEADER:
        return 0
    length = _word(head, 4)
    if _word(head, 2) != 0 or not 2 <= length <= _LONGEST_PDU + 1:
        return -1
    return TCP_HEADER - 1 + length


def tcp_frame(like: bytes, pdu: bytes) -> bytes:
    """Return the answer frame to a request frame."""
    length = len(pdu) + 1
    return like[:4] + bytes((length >> 8, length & 0xFF, like[6])) + pdu
