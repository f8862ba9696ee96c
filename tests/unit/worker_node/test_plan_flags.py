"""Every name under which a plan says what it had to give up has a sentence on the homeowner's page."""

from honey_edge.market.homes import repair
from worker_node.agent import homes, solver, tools
from worker_node.state import PLAN_FLAGS

NAMES = (
    tools.PLAN_REFUSED,
    tools.LAST_GOOD,
    homes.CLIPPED,
    solver.SHARE_EXCEEDED,
    repair.SOC_START_CLAMPED,
    repair.SOC_END_RELAXED,
    repair.COMFORT_RELAXED,
    repair.CAR_ENERGY_RELAXED,
)


def test_the_page_knows_the_names_that_the_agent_and_the_market_give() -> None:
    assert set(NAMES) == PLAN_FLAGS
