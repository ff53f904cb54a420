"""What the engine reports about itself: state, arithmetic, findings, notices. No order depends on it."""
