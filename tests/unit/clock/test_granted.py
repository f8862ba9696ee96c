"""Granted time moves only when told, in order, and never past unfinished work."""

import asyncio

import pytest

from drivers.sim import granted
from drivers.sim.granted import GrantedClock


async def _ticker(clock: GrantedClock, every_s: int, log: list[tuple[int, float]]) -> None:
    at = 0
    while True:
        at += every_s
        await clock.sleep_until(at)
        log.append((every_s, clock.now_unix_s()))


def _run_ticks(until_s: int) -> list[tuple[int, float]]:
    async def scene() -> list[tuple[int, float]]:
        clock, log = GrantedClock(0), []
        tasks = [asyncio.create_task(_ticker(clock, every, log)) for every in (5, 7)]
        await asyncio.sleep(0)
        await clock.grant(until_s)
        assert clock.now_unix_s() == until_s
        for task in tasks:
            task.cancel()
        return log

    return asyncio.run(scene())


def test_everything_due_runs_in_order_of_time_and_at_its_instant():
    assert _run_ticks(20) == [(5, 5), (7, 7), (5, 10), (7, 14), (5, 15), (5, 20)]


def test_nothing_runs_past_the_grant():
    assert _run_ticks(4) == []


def test_a_hold_keeps_time_still_until_it_is_released():
    async def scene() -> None:
        clock, log, release = GrantedClock(0), [], asyncio.Event()

        async def holder() -> None:
            await clock.sleep_until(1)
            with clock.hold("answer"):
                await release.wait()
            log.append(("released", clock.now_unix_s()))
            await clock.sleep_until(100)

        tasks = [asyncio.create_task(holder()), asyncio.create_task(_ticker(clock, 5, log))]
        await asyncio.sleep(0)
        grant = asyncio.create_task(clock.grant(10))
        for _ in range(10):
            await asyncio.sleep(0)
        assert clock.now_unix_s() == 1
        assert clock.busy_with() == [tasks[0].get_name(), "answer"]
        release.set()
        await grant
        assert log == [("released", 1), (5, 5), (5, 10)]
        for task in tasks:
            task.cancel()

    asyncio.run(scene())


def test_work_that_never_ends_fails_the_grant_by_name(monkeypatch):
    monkeypatch.setattr(granted, "WALL_LIMIT_S", 0.05)

    async def scene() -> str:
        clock = GrantedClock(0)
        with clock.hold("receipt"):
            return await clock._obey(5)

    assert "receipt" in asyncio.run(scene())


def test_an_ended_task_does_not_stop_time():
    async def scene() -> float:
        clock = GrantedClock(0)

        async def short() -> None:
            await clock.sleep_until(1)

        task = asyncio.create_task(short())
        await asyncio.sleep(0)
        await clock.grant(10)
        assert task.done()
        return clock.now_unix_s()

    assert asyncio.run(scene()) == 10


@pytest.mark.parametrize("set_it", [True, False])
def test_a_wait_says_whether_the_event_came(monkeypatch, set_it):
    monkeypatch.setattr(granted, "WALL_LIMIT_S", 0.1)

    async def scene() -> bool:
        clock, event = GrantedClock(0), asyncio.Event()
        if set_it:
            asyncio.get_running_loop().call_soon(event.set)
        return await clock.wait_for(event, 5)

    assert asyncio.run(scene()) is set_it
