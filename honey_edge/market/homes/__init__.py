"""One home's side: its assets, its problem, the checks of its plan (market-design sections 2 and 7)."""
