"""Who may send alerts: allowed addresses, tokens and the lockout; also the removal of secrets from text."""
