"""One writer: leases between processes, turns between threads, and the lease of a process that is gone."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from queen_node.chain import Lease, WriterBusy
from queen_node.chain.writer import Writer, dead, this_process
from tests.chain_kit.memory import MemoryIntents

SENDER = "aa" * 20


def writer(rows: MemoryIntents, holder: str, now: float = 100.0) -> Writer:
    return Writer(rows, SENDER, 60, lambda: now, holder)


def test_a_lease_is_given_back_and_its_fence_grows_with_every_change_of_hands() -> None:
    rows = MemoryIntents()
    with writer(rows, "far:1:a").hold() as first:
        assert (first.holder, first.until_unix_s, first.fence) == ("far:1:a", 160, 1)
    with writer(rows, "far:1:a").hold() as again:
        assert again.fence == 1
    with writer(rows, "far:2:b").hold() as other:
        assert other.fence == 2
    assert rows.leases[SENDER].until_unix_s == 0


def test_a_second_process_waits_until_the_lease_has_run_out() -> None:
    rows = MemoryIntents()
    with writer(rows, "far:1:a").hold():
        with pytest.raises(WriterBusy, match="far:1:a") as busy, writer(rows, "far:2:b", 159.0).hold():
            raise AssertionError("two writers")
        assert busy.value.transient
        with writer(rows, "far:2:b", 160.0).hold() as taken:
            assert taken.fence == 2
    assert rows.leases[SENDER].holder == "far:2:b"


def test_a_lease_that_changes_while_it_is_taken_is_not_taken() -> None:
    rows = MemoryIntents()
    before = rows.lease

    def other_was_faster(sender: str) -> Lease | None:
        seen = before(sender)
        rows.leases[sender] = Lease(sender, "far:9:z", 0, 7)
        return seen

    rows.lease = other_was_faster  # type: ignore[method-assign]
    with pytest.raises(WriterBusy), writer(rows, "far:1:a").hold():
        raise AssertionError("two writers")


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    rows = MemoryIntents()
    rows.leases[SENDER] = Lease(SENDER, f"{host}:{ended.pid}:x", 10**9, 4)
    with writer(rows, "far:1:a").hold() as taken:
        assert taken.fence == 5


def test_only_what_is_surely_dead_counts_as_dead() -> None:
    host = socket.gethostname()
    assert dead(f"{host}:{os.getpid()}:earlier-with-this-number")
    assert not dead(this_process())
    assert not dead(f"{host}:{os.getppid()}:x")
    assert not dead(f"{host}:1:x")
    assert not dead("elsewhere:1:x")
    assert not dead("nonsense")


def test_threads_of_one_process_take_turns() -> None:
    rows, inside, most = MemoryIntents(), 0, 0
    start = threading.Barrier(4)

    def work() -> None:
        nonlocal inside, most
        start.wait()
        for _ in range(50):
            with writer(rows, "").hold():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
