"""`python -m drivers.sim serve PART ...`: see `drivers.sim.serve`."""

import sys

from drivers.sim.serve import main

if __name__ == "__main__":
    sys.exit(main())
