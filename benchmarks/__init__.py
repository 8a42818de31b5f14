"""Measurements of what the contracts cost. Run by `breakwater bench`."""
