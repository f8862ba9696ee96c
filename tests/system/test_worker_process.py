"""A Worker's process in a running Hive: how soon it samples, how soon it ends (README figures, style)."""

import asyncio
import time
from pathlib import Path

import pytest

from provisioning.demo.run import HiveRun
from tests.bench.worker import first_sample_s, plan_of_one_home

pytestmark = pytest.mark.system


def test_it_samples_within_2_s_of_its_start_and_ends_within_3_s_of_sigterm(tmp_path: Path) -> None:
    async def story() -> tuple[float, int, float]:
        run = HiveRun(plan_of_one_home(tmp_path / "hive"), lambda _: None)
        serial = run.plan.homes[0].serial
        async with run.started():
            sampled_s = await first_sample_s(run, tmp_path / "hive" / "workers" / serial / "worker.toml")
            asked = time.monotonic()
            code = await run.children.end(serial)
            return sampled_s, code, time.monotonic() - asked

    sampled_s, code, ended_s = asyncio.run(story())
    assert sampled_s < 2.0
    assert code == 0
    assert ended_s < 3.0
