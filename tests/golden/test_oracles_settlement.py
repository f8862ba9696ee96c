"""Oracle 14: every field of every settlement case, exactly."""

import json
from pathlib import Path

from honey_edge.billing.clearing import SlotPool, payment, share_surplus, totals_of


def test_every_field_of_oracle_14_is_equal(shared_dir: Path) -> None:
    cases = json.loads((shared_dir / "oracles" / "14_settlement_integer.json").read_text())["cases"]
    assert len(cases) >= 31
    for case in cases:
        given, expected = case["input"], case["expected"]
        energies = given["energy_wh"]
        bought, sold = totals_of(energies)
        pool = SlotPool(
            bought,
            sold,
            given["pcc_energy_wh"],
            given["buy_units_per_wh"],
            given["sell_units_per_wh"],
            given["internal_price_units_per_wh"],
            given["fairness_permille"],
            given["fee_permille"],
        )
        shares = share_surplus(pool)
        own = [payment(pool, shares, e, r) for e, r in zip(energies, given["reputation_permille"], strict=True)]
        found = {
            "standalone": [p.standalone for p in own],
            "hive_cost": shares.hive_cost,
            "surplus": shares.surplus,
            "deficit": shares.deficit,
            "fee": shares.fee,
            "entitlement": [p.entitlement for p in own],
            "discount": [p.discount for p in own],
            "payment": [p.amount for p in own],
            "reserve": shares.shared - sum(p.discount for p in own),
        }
        assert found == expected
