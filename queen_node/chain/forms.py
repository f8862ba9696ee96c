"""Whether a JSON-RPC result has the form its method promises (execution-apis), so that nothing else has to ask again.

A node that answers with another form is treated like one that does not answer: it is set aside, not believed.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
Form = Callable[[Any], bool]


def _text(pattern: re.Pattern[str]) -> Form:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _maybe(form: Form) -> Form:
    return lambda value: value is None or form(value)


def _each(form: Form) -> Form:
    return lambda value: isinstance(value, list) and all(form(one) for one in value)


def _members(**forms: Form) -> Form:
    return lambda value: isinstance(value, Mapping) and all(form(value.get(name)) for name, form in forms.items())


_quantity, _data, _hash, _address = _text(_QUANTITY), _text(_DATA), _text(_HASH), _text(_ADDRESS)
_block = _members(number=_quantity, timestamp=_quantity, hash=_hash, baseFeePerGas=_maybe(_quantity))
_event = _members(address=_address, topics=_each(_hash), data=_data)
_log = _members(
    address=_address,
    topics=_each(_hash),
    data=_data,
    blockNumber=_quantity,
    blockHash=_hash,
    logIndex=_quantity,
    transactionHash=_hash,
)
_receipt = _members(
    transactionHash=_hash,
    status=_quantity,
    gasUsed=_quantity,
    effectiveGasPrice=_maybe(_quantity),
    blockNumber=_quantity,
    blockHash=_hash,
    contractAddress=_maybe(_address),
    logs=_each(_log),
)
_simulated = _members(
    status=_quantity,
    gasUsed=_quantity,
    returnData=_maybe(_data),
    error=_maybe(lambda value: isinstance(value, Mapping)),
    logs=_maybe(_each(_event)),
)


def _simulation(value: Any) -> bool:
    calls = value[0].get("calls") if isinstance(value, list) and value and isinstance(value[0], Mapping) else None
    return bool(calls) and _each(_simulated)(calls)


FORMS: dict[str, Form] = {
    "eth_blockNumber": _quantity,
    "eth_call": _data,
    "eth_chainId": _quantity,
    "eth_estimateGas": _quantity,
    "eth_getBalance": _quantity,
    "eth_getBlockByNumber": _maybe(_block),
    "eth_getCode": _data,
    "eth_getLogs": _each(_log),
    "eth_getStorageAt": _data,
    "eth_getTransactionCount": _quantity,
    "eth_getTransactionReceipt": _maybe(_receipt),
    "eth_sendRawTransaction": _hash,
    "eth_simulateV1": _simulation,
}


def fits(method: str, result: Any) -> bool:
    """Whether a result can be read; a method that is not listed takes anything."""
    form = FORMS.get(method)
    return form is None or form(result)
