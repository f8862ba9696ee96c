"""Closing a home's account without its Queen, from a copy of the journal; never loaded by the daemon."""
