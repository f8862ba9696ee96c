"""Units, slots, identities, errors and options: the words everything else is said in."""
