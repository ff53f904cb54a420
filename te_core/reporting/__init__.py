"""What the engine says of itself, and to whom: state, arithmetic, findings, notices. No order depends on it."""
