"""What must survive: signals, targets, intents and their outcomes, confirmations, events."""

from te_core.journal.journal import Journal
from te_core.journal.memory import Book, IntentRecord, Memory
from te_core.journal.reader import JournalReader

__all__ = ["Book", "IntentRecord", "Journal", "JournalReader", "Memory"]
