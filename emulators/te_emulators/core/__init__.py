"""The exchange behind every wire layer: accounts, margin, matching, faults and limits, independent of any wire
format."""
