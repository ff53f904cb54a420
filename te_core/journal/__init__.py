"""What must survive: signals, targets, intents and their outcomes, confirmations, events.

Imports nothing itself: commands that only check the lock do not need the database library.
"""
