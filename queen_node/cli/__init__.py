"""The operator's command `hive`: thin commands over functions that are tested without it (ui/README section 3)."""


def main() -> None:
    """Runs the command line; what is heavy is imported by the command that needs it."""
    from queen_node.cli.commands import app

    app(prog_name="hive")
