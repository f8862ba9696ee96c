"""`python -m queen_node.cli`: the same as `hive`."""

from queen_node.cli import main

main()
