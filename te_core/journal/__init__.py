"""What must survive: signals, targets, intents and their outcomes, confirmations, events.

Imports nothing by itself: commands that only look at the lock do without the database's library.
"""
