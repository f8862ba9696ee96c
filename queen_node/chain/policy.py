"""What one transaction and one day may cost, how a replacement is priced, and what counts as final: pure rules.

EIP-1559 fees in wei per gas. Nodes take a replacement only when both fee fields are at least 10 % higher; Hive raises
both by at least 12.5 %, rounded up (chain-design section 10).
"""

from dataclasses import dataclass

from queen_node.chain.errors import FeeCapExceeded

#: EIP-7825: most gas one transaction may ask for.
MOST_GAS = 2**24
DAY_S = 86_400
#: Gas of four storage words that are written anew (EIP-2929: 22,100 each) instead of once more.
LATER_GAS = 90_000
ALARM_PERCENT = 80
_RAISE_NUMERATOR, _RAISE_DENOMINATOR = 9, 8
_DEPTH = "depth:"


@dataclass(frozen=True, slots=True)
class Fees:
    """The two fee fields of a transaction, wei per gas."""

    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class TxPolicy:
    """Limits of the one account that sends; `allowed` are pairs of target (40 hex digits) and selector.

    `finality` is "finalized" (the chain's own rule) or "depth:N" (N blocks on top). Caps are wei.
    """

    allowed: frozenset[tuple[str, bytes]]
    fee_cap_tx_wei: int = 10**18
    fee_cap_day_wei: int = 2 * 10**18
    replace_after_blocks: int = 3
    finality: str = "finalized"
    max_fee_per_gas_wei: int = 500 * 10**9
    tip_wei: int = 10**9
    mined_within_s: float = 120.0
    poll_s: float = 0.5
    lease_s: int = 60

    @property
    def depth(self) -> int | None:
        """Blocks on top until final; None where the chain says so itself."""
        return parse_finality(self.finality)


def parse_finality(text: str) -> int | None:
    """None for "finalized", N for "depth:N"; ValueError for anything else."""
    if text == "finalized":
        return None
    number = text.removeprefix(_DEPTH)
    if not text.startswith(_DEPTH) or not (number.isascii() and number.isdecimal()) or int(number) > 100_000:
        raise ValueError(f"{text!r} is neither finalized nor depth:N with N up to 100000")
    return int(number)


def first_fees(base_fee_wei: int, policy: TxPolicy) -> Fees:
    """Fees that hold for six full blocks of a rising base fee, at most what the policy allows per gas."""
    tip = min(policy.tip_wei, policy.max_fee_per_gas_wei)
    return Fees(min(2 * base_fee_wei + tip, policy.max_fee_per_gas_wei), tip)


def raised(wei: int) -> int:
    """At least 12.5 % more, rounded up, and never the same."""
    return max(-(-wei * _RAISE_NUMERATOR // _RAISE_DENOMINATOR), wei + 1)


def replacement_fees(old: Fees, base_fee_wei: int, policy: TxPolicy) -> Fees:
    """Both fields raised, or today's fees where those are higher; the caller checks the cap."""
    fresh = first_fees(base_fee_wei, policy)
    tip = max(raised(old.tip_wei), fresh.tip_wei)
    return Fees(max(raised(old.max_fee_wei), fresh.max_fee_wei, tip), tip)


def gas_limit(used: int) -> int:
    """Gas to ask for when a simulation used so much: a quarter more, for refunds come only afterwards (EIP-3529).

    And some on top: a second later a checkpoint of stakes may take new storage words that it shared before.
    """
    return min(used + -(-used // 4) + LATER_GAS, max(MOST_GAS, used))


def check_caps(place: str, cost_wei: int, spent_today_wei: int, fees: Fees, policy: TxPolicy) -> tuple[str, ...]:
    """FeeCapExceeded when a cap would be passed; else the names of caps of which 80 % are reached."""
    if fees.max_fee_wei > policy.max_fee_per_gas_wei:
        raise FeeCapExceeded(place, fees.max_fee_wei, policy.max_fee_per_gas_wei, "wei per gas")
    if cost_wei > policy.fee_cap_tx_wei:
        raise FeeCapExceeded(place, cost_wei, policy.fee_cap_tx_wei)
    if spent_today_wei + cost_wei > policy.fee_cap_day_wei:
        raise FeeCapExceeded(place, spent_today_wei + cost_wei, policy.fee_cap_day_wei, "chain.fee_cap_day_wei")
    reached = (
        ("chain.fee_cap_tx_wei", cost_wei, policy.fee_cap_tx_wei),
        ("chain.fee_cap_day_wei", spent_today_wei + cost_wei, policy.fee_cap_day_wei),
    )
    return tuple(name for name, wei, cap in reached if wei * 100 >= cap * ALARM_PERCENT)


def next_nonce(highest_own: int, counted: int) -> int:
    """The next nonce: behind the own table and behind the chain's count, whichever is further."""
    return max(highest_own + 1, counted)


def gaps(counted: int, highest_own: int, held: frozenset[int]) -> tuple[int, ...]:
    """Nonces below the own highest that no living transaction holds: nothing behind them can be mined."""
    return tuple(nonce for nonce in range(counted, highest_own + 1) if nonce not in held)
