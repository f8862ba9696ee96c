"""All RPC addresses of one chain, asked at the same time; which of them are set aside, for how long, and why.

One log line when an address is set aside and one when it is back. A dead or lagging one is tried again at once where
too few others are left, one that has told untruths only after LIAR_ASIDE_S.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from queen_node.chain.errors import ChainUnreachable, WrongChain
from queen_node.chain.forms import fits
from queen_node.chain.rpc import Endpoint, Refusal, Request, RpcDown

_LOG = logging.getLogger(__name__)
DOWN_ASIDE_S = 30.0
LIAR_ASIDE_S = 600.0


class Fault(StrEnum):
    """Why an address is set aside."""

    NONE = "none"
    DOWN = "down"
    LAGS = "lags"
    LIES = "lies"
    OTHER_CHAIN = "other_chain"


_ASIDE_S = {Fault.DOWN: DOWN_ASIDE_S, Fault.LAGS: 0.0, Fault.LIES: LIAR_ASIDE_S, Fault.OTHER_CHAIN: LIAR_ASIDE_S}


@dataclass(slots=True)
class _Seat:
    endpoint: Endpoint
    name: str
    fault: Fault = Fault.NONE
    until_s: float = 0.0
    checked: bool = False


class Panel:
    """Asks; remembers who cannot be asked. Safe to use from several threads."""

    def __init__(
        self, endpoints: Sequence[Endpoint], chain_id: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`monotonic` gives seconds for the pauses of addresses set aside."""
        count: dict[str, int] = {}
        self._seats: dict[str, _Seat] = {}
        for endpoint in endpoints:
            count[endpoint.name] = count.get(endpoint.name, 0) + 1
            name = endpoint.name if count[endpoint.name] == 1 else f"{endpoint.name}#{count[endpoint.name]}"
            self._seats[name] = _Seat(endpoint, name)
        self._chain_id, self._monotonic = chain_id, monotonic
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    @property
    def place(self) -> str:
        """The addresses as an error names them."""
        return ", ".join(self._seats) or "chain"

    def __len__(self) -> int:
        return len(self._seats)

    def faults(self) -> dict[str, Fault]:
        """Every address with what is wrong with it."""
        return {name: seat.fault for name, seat in self._seats.items()}

    def usable(self, needed: int) -> tuple[str, ...]:
        """Addresses to ask, all on the right chain; ChainUnreachable or WrongChain when there is none."""
        if not self._seats:
            raise ChainUnreachable("chain", "no RPC address in the settings")
        now = self._monotonic()
        active = [seat for seat in self._seats.values() if seat.until_s <= now]
        if len(active) < needed:
            active += [seat for seat in self._seats.values() if seat not in active and seat.fault is Fault.DOWN]
        self._introduce([seat for seat in active if not seat.checked])
        found = tuple(seat.name for seat in active if seat.checked)
        if not found:
            raise ChainUnreachable(self.place, ", ".join(f"{name} {fault}" for name, fault in self.faults().items()))
        return found

    def ask(self, names: Sequence[str], requests: Sequence[Request]) -> dict[str, list[Any]]:
        """The answers of every named address that gives any; the others are set aside."""
        seats = [self._seats[name] for name in names]
        found = dict(zip(names, self._together(seats, requests), strict=True))
        answered = {name: answers for name, answers in found.items() if answers is not None}
        for name in answered:
            if self._seats[name].fault is Fault.DOWN:
                self.back(name)
        return answered

    def everybody(self) -> tuple[str, ...]:
        """All addresses but those of another chain: who gets a broadcast."""
        return tuple(name for name, seat in self._seats.items() if seat.fault is not Fault.OTHER_CHAIN)

    def set_aside(self, name: str, fault: Fault, detail: str) -> None:
        """Remembers a fault; logs it unless it is known."""
        with self._lock:
            seat = self._seats[name]
            if seat.fault is not fault:
                _LOG.warning("rpc_aside address=%s fault=%s detail=%r", name, fault.value, detail)
            seat.fault, seat.until_s = fault, self._monotonic() + _ASIDE_S[fault]
            seat.checked = seat.checked and fault is Fault.LAGS

    def back(self, name: str) -> None:
        """An address is as it should be again."""
        with self._lock:
            seat = self._seats[name]
            if seat.fault is not Fault.NONE:
                _LOG.info("rpc_back address=%s after=%s", name, seat.fault.value)
            seat.fault, seat.until_s = Fault.NONE, 0.0

    def _introduce(self, seats: Sequence[_Seat]) -> None:
        """Asks new and returned addresses which chain they belong to."""
        others: list[int] = []
        for seat, answers in zip(seats, self._together(seats, [Request("eth_chainId")]), strict=True):
            if answers is None or isinstance(answers[0], Refusal):
                continue
            found = int(answers[0], 16)
            if found == self._chain_id:
                seat.checked = True
                self.back(seat.name)
            else:
                others.append(found)
                self.set_aside(seat.name, Fault.OTHER_CHAIN, f"chain id {found} instead of {self._chain_id}")
        if others and len(others) == len(self._seats):
            raise WrongChain(self.place, self._chain_id, others[0])

    def _together(self, seats: Sequence[_Seat], requests: Sequence[Request]) -> list[list[Any] | None]:
        if len(seats) <= 1:
            return [self._sent(seat, requests) for seat in seats]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=len(self._seats), thread_name_prefix="rpc")
        return list(self._threads.map(lambda seat: self._sent(seat, requests), seats))

    def _sent(self, seat: _Seat, requests: Sequence[Request]) -> list[Any] | None:
        try:
            answers = seat.endpoint.send(requests)
        except RpcDown as error:
            self.set_aside(seat.name, Fault.DOWN, str(error))
            return None
        for request, answer in zip(requests, answers, strict=True):
            if not isinstance(answer, Refusal) and not fits(request.method, answer):
                self.set_aside(seat.name, Fault.DOWN, f"{request.method}: an answer of another form")
                return None
        return answers
