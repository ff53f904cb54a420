"""Wizards that turn answers into settings; each also works without questions, through options."""
