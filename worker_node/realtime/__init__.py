"""Real time inside a slot: what the home reports, offers and lets the Queen order (market-design section 11)."""
