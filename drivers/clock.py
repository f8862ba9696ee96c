"""What a daemon may ask of time: one interface, built by `app`, so that a simulated day can be granted.

The system's clock and the granted one (`drivers.sim.granted`) both keep it. All instants are Unix seconds, UTC.
Deadlines of the protocol are in this time; network time-outs are in wall time.
"""

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol


class Clock(Protocol):
    """Time as a daemon sees it."""

    def now_unix_s(self) -> float:
        """The present instant."""

    def trusted(self) -> bool:
        """Whether the time may close slots: false until it is known to be disciplined."""

    async def sleep_until(self, at_unix_s: float) -> None:
        """Returns at the instant, at once when it has passed."""

    async def wait_for(self, event: asyncio.Event, until_unix_s: float) -> bool:
        """Whether the event was set before the instant."""

    def hold(self, why: str) -> AbstractContextManager[None]:
        """While held, a granted clock stands still: work that the present instant caused is not done yet.

        The system's clock ignores it.
        """
