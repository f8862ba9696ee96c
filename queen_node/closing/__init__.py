"""Closing a slot: pure decision in `decide`, reading and writing the store in `runner`."""
