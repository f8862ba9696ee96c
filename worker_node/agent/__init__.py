"""Forecast, rounds with the Queen, the battery's plan and set-point, and the safe rule without her."""
