"""The market in formulas: what a home does with its battery and PV, and how a Hive agrees on a price.

Pure calculation on numpy, scipy and OSQP: no clock, no files, no network. Money is a float here and only here.

    assets        Home, Battery, Tariff, Limits
    battery       ProximalSchedule, StandaloneSchedule, resimulate
    admm          the price iteration: WorkerIteration, QueenIteration, queen_step, solve_hive
    stragglers    late and missing answers
    certificate   how far from the optimum at most
    forecast      HomeForecaster: load and PV of the next day, point and quantiles
    cases         case documents as the reference answers have them
    errors        everything that is raised here
"""
