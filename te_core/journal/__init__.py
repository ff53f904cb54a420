"""What must survive: signals, targets, intents and their outcomes, confirmations, events."""

from te_core.journal.journal import Journal
from te_core.journal.memory import AccountRecord, IntentRecord, JournalSnapshot, SymbolRecord
from te_core.journal.reader import JournalReader

__all__ = ["AccountRecord", "IntentRecord", "Journal", "JournalReader", "JournalSnapshot", "SymbolRecord"]
