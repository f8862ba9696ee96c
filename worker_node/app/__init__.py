"""The composition root: builds everything from settings, runs it, ends it in order."""
