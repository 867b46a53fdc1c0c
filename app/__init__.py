"""Dosetrail: how much activity is left in each dose, when it will arrive, and whether it will still be usable."""
