"""Homes that answer under masks through the Queen's own handlers, and the same sums in plain to compare with."""

from msgspec import structs

from honey_edge.market.rounds.anderson import window
from honey_edge.market.rounds.stragglers import Sums
from honey_edge.market.rounds.sums_only import Change, RunningTotals
from honey_edge.wire.codec import encode
from honey_edge.wire.mask_messages import MaskAskMessage
from honey_edge.wire.mask_worker import MaskedWorker
from queen_node.coordinator.answers import Opened, RoundAnswers, sums
from queen_node.coordinator.masked_desk import MaskDesk, MaskRules
from tests.unit.queen_node.answering_homes import SLOTS, Hive
from worker_node.agent.masked import AgentMasks

HIVE = 7


class MaskingHive(Hive):
    """All flexible homes require masks. `silent_from` is as in `Hive`; `mute_from` gives the iteration from which a
    home still answers prices but reveals nothing."""

    def __init__(self, world, homes, silent_from=None, mute_from=None, largest_group=48, first_slot=0, **rules):
        self.mute_from, self.told, self.published, self.alter = mute_from or {}, [], [], {}
        domain = world.agreement.domain
        members = [worker.signer.address for worker in world.workers]
        self.masks = {
            worker.name: AgentMasks(
                MaskedWorker(domain, worker.signer, members), HIVE, worker.name, lambda: self.slot, required=True
            )
            for worker in world.workers
        }
        self.slot = first_slot
        super().__init__(world, homes, silent_from, collector=self.collector, **rules)
        mask_rules = MaskRules(HIVE, domain, 2.0, largest_group)
        self.desk = MaskDesk(self.clock, mask_rules, world.refusals, self.publish, lambda: list(self.homes))

    async def collector(self, frame, online):
        self.answers = await self.desk.collector(frame, online)
        return self.answers

    async def publish(self, message):
        self.published.append(message)
        payload = encode(message)
        for name, own in self.homes.items():
            if own.battery is None:
                continue
            if isinstance(message, MaskAskMessage):
                quiet = min(self.silent_from.get(name, 10**6), self.mute_from.get(name, 10**6))
                told = self.masks[name].ask(payload) if message.iteration < quiet else None
                if told is not None:
                    self.desk.receive_reveal(name, encode(told))
            elif (key := self.masks[name].roster(payload)) is not None:
                self.desk.receive_key(name, encode(key))

    async def broadcast(self, message):
        self.sent.append(message)
        for name, own in self.homes.items():
            if message.iteration >= self.silent_from.get(name, 10**6):
                continue
            declared = self.answer(name, own, message)
            if own.battery is not None:
                declared = await self.masks[name].sealed(message, declared)
            if declared is not None:
                self.told.append(declared)
                self.coordinator.receive(name, encode(self.alter.get(name, lambda one: one)(declared)))


class PlainSums(RoundAnswers):
    """What masked answers add up to, from plain ones: who misses an iteration stays at its last answer for good."""

    def __init__(self, frame):
        super().__init__(frame)
        self.now, self.counted, self.out, self.number, self.weights = {}, {}, set(), 0, 0

    def take(self, worker, message):
        if message.iteration and not message.profile and message.flexible and worker not in self.out:
            self.now[worker] = message
            return self._answered(worker)
        return super().take(worker, message)

    async def openings(self) -> Opened:
        opened = await super().openings()
        self.counted = {worker: self._openings[worker] for worker in self.movers()}
        self.totals = RunningTotals(sums(one.power_w for one in self.counted.values()), len(self.counted))
        return opened

    def broadcast(self, price_e7, gamma_e9, forget):
        self.now, self.number, self.weights = {}, self.number + 1, len(gamma_e9)
        return self.number

    async def close(self) -> Sums:
        self.out |= self.counted.keys() - self.now.keys()
        pairs = [(self.now[worker], self.counted[worker]) for worker in self.now]
        known = window(self.weights, self.number)
        change = Change(
            tuple(sum(new.power_w[k] - old.power_w[k] for new, old in pairs) for k in range(SLOTS)),
            sum(new.cost_e9_coin - old.cost_e9_coin for new, old in pairs),
            sum(new.residual_e9_kw2 - old.residual_e9_kw2 for new, old in pairs),
            tuple(sum(new.inner_e9_kw2[k] for new, _ in pairs) for k in range(known)),
        )
        self.counted |= self.now
        told = self.totals.add(change, len(pairs))
        return Sums(told.power_w, told.cost_e9_coin, None, (), told.residual_e9_kw2, told.inner_e9_kw2)

    def proven(self, at_price, at_tariff):
        return None


async def plain_sums(frame, online):
    """The collector of `PlainSums`."""
    return PlainSums(frame)


def unmasked(messages):
    """Broadcasts as a round without masks sends them; the question for the bounds is asked at its end there."""
    return [
        structs.replace(message, masked=False, proof_e7=())
        for message in messages
        if message.final or not message.proof_e7
    ]
