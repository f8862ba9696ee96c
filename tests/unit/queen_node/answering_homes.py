"""Homes that answer the Queen's broadcasts through her own handler, and a clock that stands still."""

import asyncio
import contextlib

from msgspec import structs

from honey_edge.market.homes.assets import Battery, Home
from honey_edge.market.rounds.iteration import WorkerIteration
from honey_edge.wire.codec import encode
from honey_edge.wire.messages import DeclareMessage
from honey_edge.wire.typed_data import digest
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.store import books

SLOTS = 96


class InstantClock:
    """Time that stands still; a wait ends at once when nothing more can come."""

    def __init__(self):
        self.now = 1_710_720_040.0
        self.timeouts = 0

    def now_unix_s(self):
        return self.now

    def trusted(self):
        return True

    async def sleep_until(self, at_unix_s):
        self.now = max(self.now, at_unix_s)

    async def wait_for(self, event, until_unix_s):
        for _ in range(5):
            await asyncio.sleep(0)
        if not event.is_set():
            self.now, self.timeouts = max(self.now, until_unix_s), self.timeouts + 1
        return event.is_set()

    def hold(self, why):
        return contextlib.nullcontext()


def home(load_kw, pv_kw, battery):
    box = Battery(10.0, 1.0, 10.0, 5.0, 5.0, 3.0, 3.0, c_quad=1e-3) if battery else None
    return Home([load_kw] * SLOTS, [pv_kw] * SLOTS, battery=box)


class Hive:
    """Workers that answer broadcasts through the Queen's own handler."""

    def __init__(self, world, homes, silent_from=None, **rules):
        self.certificates, self.powers = [], {}
        self.world, self.clock = world, InstantClock()
        self.homes = dict(zip([w.name for w in world.workers], homes, strict=True))
        self.silent_from = silent_from or {}
        self.iterations, self.sent, self.last = {}, [], {}
        rules = RoundRules(7, world.agreement.domain, world.tariff, 80_000, 2.0, **rules)
        self.coordinator = Coordinator(
            self.clock, world.store, rules, world.refusals, self.broadcast, self.online, self.certified
        )

    def online(self):
        return set(self.homes)

    async def certified(self, message):
        self.certificates.append(message)

    async def broadcast(self, message):
        with self.world.store.begin() as tx:
            assert books.broadcasts_counted(tx) == len(self.sent) + 1
        self.sent.append(message)
        for name, own in self.homes.items():
            if message.iteration < self.silent_from.get(name, 10**6):
                self.coordinator.receive(name, encode(self.answer(name, own, message)))

    def answer(self, name, own, message):
        flexible = own.battery is not None
        fields = {
            "worker": name,
            "round": message.round,
            "iteration": message.iteration,
            "first_slot": message.first_slot,
            "flexible": flexible,
        }
        if message.iteration == 0:
            worker = WorkerIteration(own, message.sigma_kw2_per_coin)
            self.iterations[name] = worker
            return DeclareMessage(**fields, power_w=worker.start(message.price_e7_per_kwh), cost_e9_coin=0)
        if message.final:
            fields |= {"power_w": (), "cost_e9_coin": 0, "profile": "ab" * 32}
            if flexible and name in self.iterations:
                tariff = self.coordinator._market_tariff(message.first_slot)
                fields["bound_e9_coin"] = self.iterations[name].bound_e9_coin(message.price_e7_per_kwh)
                fields["alone_e9_coin"] = self.iterations[name].standalone_e9_coin(tariff)
                if message.proof_e7:
                    fields["proof_e9_coin"] = self.iterations[name].bound_e9_coin(message.proof_e7)
            declared = DeclareMessage(**fields)
            signer = self.world.by_name(name).signer
            signature = signer.sign(digest(self.world.agreement.domain, declared.signed())).hex()
            return structs.replace(declared, signature=signature)
        if not flexible:
            return DeclareMessage(**fields, power_w=(0,) * SLOTS, cost_e9_coin=0)
        if message.proof_e7:
            return DeclareMessage(**fields, **self.last[name], inner_e9_kw2=self.bounds(name, message))
        answer = self.iterations[name].answer(
            message.price_e7_per_kwh, message.gamma_e9, message.forget, message.iteration
        )
        self.powers[name] = answer.power_w
        self.last[name] = {
            "power_w": answer.power_w,
            "cost_e9_coin": answer.cost_e9_coin,
            "residual_e9_kw2": answer.residual_e9_kw2,
        }
        return DeclareMessage(**fields, **self.last[name], inner_e9_kw2=answer.inner_e9_kw2)

    def bounds(self, name, message):
        """What a masked round asks for before its end."""
        worker, tariff = self.iterations[name], self.coordinator._market_tariff(message.first_slot)
        prices = (message.price_e7_per_kwh, message.proof_e7)
        return (*(worker.bound_e9_coin(price) for price in prices), worker.standalone_e9_coin(tariff))

    def coordinate(self, first_slot):
        return asyncio.run(self.coordinator.coordinate(first_slot, self.clock.now + 60))
