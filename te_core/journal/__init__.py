"""What must survive: signals, targets, intents and their outcomes, confirmations, events."""

from te_core.journal.journal import Journal
from te_core.journal.memory import AccountRecord, Book, IntentRecord, Memory
from te_core.journal.reader import JournalReader

__all__ = ["AccountRecord", "Book", "IntentRecord", "Journal", "JournalReader", "Memory"]
