"""Line and branch coverage of the Vyper sources: see `instrument`, `host` and `report`."""
