"""A thread that waits for an instant by itself wakes no earlier, and never waits longer than it was told."""

import time

from drivers.linux.clock import block_until


def test_a_thread_is_woken_at_the_instant_and_a_clock_that_was_put_back_does_not_hold_it() -> None:
    at = time.time() + 0.05
    block_until(at, 5.0)
    assert time.time() >= at
    begun = time.monotonic()
    block_until(time.time() + 3_600, 0.05)
    assert 0.05 <= time.monotonic() - begun < 60
    begun = time.monotonic()
    block_until(time.time() - 3_600, 60.0)
    assert time.monotonic() - begun < 30
