"""The system's clock behind the daemons' `Clock`; whether the kernel calls it synchronised decides `trusted`."""

import asyncio
import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager

_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """The kernel's struct timex, of which only the return code of adjtimex(2) is used; 208 bytes on 64 bits."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 508))


def block_until(at_unix_s: float, longest_s: float) -> None:
    """Blocks until the instant, `longest_s` seconds at most: for a thread that has to be on time by itself."""
    left_s = at_unix_s - time.time()
    if left_s > 0:
        time.sleep(min(left_s, longest_s))


class SystemClock:
    """Real time."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def now_unix_s(self) -> float:
        """The present instant."""
        return time.time()

    def trusted(self) -> bool:
        """Whether the kernel's clock is disciplined: adjtimex(2) does not return TIME_ERROR."""
        state = int(self._libc.adjtimex(ctypes.byref(_Timex())))
        return state not in (-1, _TIME_ERROR)

    async def sleep_until(self, at_unix_s: float) -> None:
        """Returns at the instant, following steps of the system's clock within a second."""
        while (left_s := at_unix_s - time.time()) > 0:
            await asyncio.sleep(min(left_s, 1.0))

    async def wait_for(self, event: asyncio.Event, until_unix_s: float) -> bool:
        """Whether the event was set before the instant."""
        try:
            async with asyncio.timeout(max(0.0, until_unix_s - time.time())):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

    @contextmanager
    def hold(self, why: str) -> Iterator[None]:
        """Real time cannot be held."""
        yield
