"""HONEY rounds: the conversation in `conductor`, a round's answers in `answers`."""
