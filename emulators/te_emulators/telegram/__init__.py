"""A stand-in for Telegram's Bot API: the methods that a bot needs to talk to people, and people to talk to."""
