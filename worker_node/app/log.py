"""One line per event on standard output, key=value; the service manager's journal keeps them."""

import logging
import sys
import time


def set_up_log(level: int = logging.INFO) -> None:
    """Sends all loggers to standard output; libraries speak from warnings on."""
    line = "at=%(asctime)sZ level=%(levelname)s logger=%(name)s event=%(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("worker_node", "drivers"):
        logging.getLogger(name).setLevel(level)
