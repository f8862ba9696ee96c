"""The market in formulas: what a home does with its battery and PV, and how a Hive agrees on a price.

Pure calculation on numpy, scipy and OSQP: no clock, no files, no network. Money is a float here and only here.

    homes      assets, one home's problem, repair and physics of its plan, the safe rule
    rounds     the price iteration: both halves, acceleration, stragglers, certificate, the mixture at the end
    grid       connection point, trees of Hives, voltage, island, real time inside a slot
    fairplay   reputation, tests A to D, audit by replay
    forecast   HomeForecaster: load and PV of the next day, point and quantiles
    simulate   a whole Hive in one process, with its attackers
    cases      case documents as the reference answers have them
    errors     everything that is raised here
"""
