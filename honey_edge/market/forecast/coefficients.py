"""Coefficients that hold for many homes: what a home without a long history starts from.

Ridge on three measured sets together, each home scaled by its own variance: 24 homes in New South Wales, 9 in
California, one in France, a year each; for the sun 8 roofs in California. Either half of the year gives nearly the
same numbers. Order: `load_features.NAMES` and `pv_features.NAMES`.
"""

import numpy as np

LOAD = np.array([0.08, 0.08, 0.25, -0.12, 0.19, 0.32, 0.28, -0.10, 0.38, 0.83])
LOAD_ROOT = np.array([0.09, 0.08, 0.27, -0.13, 0.21, 0.32, 0.29, -0.07, 0.41, 0.82])
SUN = np.array([0.23, 0.48, -0.28, -0.25, 0.33, 0.13, 0.35, 0.80])
