"""Loads that may be moved: relay, SG-Ready heat pump, boiler in steps, wall box, and the grid operator's contact.

Sources: reference/loads.md. Nothing here decides what is worth switching; it only carries out a wish within what the
device endures: least times, a safe state, limits on how often.
"""
