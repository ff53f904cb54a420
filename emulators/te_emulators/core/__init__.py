"""The exchange behind every wire layer: accounts, margin, matching, faults and limits; no wire knowledge."""
