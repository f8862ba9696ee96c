"""Adapters from the buses, clock and network of a Linux machine to what drivers and daemons ask for."""
