"""State -> what the page prints: pure, so that every sentence is tested without a server.

The blocks are made by `now`, `today` and `trust`; the templates only print the result.
"""

from worker_node.state import State
from worker_node.web.now import freshness, now_view
from worker_node.web.numbers import shortened
from worker_node.web.reader import Reader
from worker_node.web.shapes import PageView
from worker_node.web.today import day_view, today_view
from worker_node.web.trust import notices, trust_lines


def page_view(state: State, reader: Reader) -> PageView:
    """The whole page for one reader at one instant."""
    home = state.home
    footer = (
        reader.text("footer.meter", serial=home.serial, key=shortened(home.address), software=home.software),
        reader.text("footer.local"),
    )
    return PageView(
        title=reader.text("title", home=home.name, hive=str(home.hive)),
        freshness=freshness(state, reader),
        notices=notices(state, reader),
        now=now_view(state, reader),
        today=today_view(state, reader),
        day=day_view(state, reader),
        trust=trust_lines(state, reader),
        footer=footer,
    )
