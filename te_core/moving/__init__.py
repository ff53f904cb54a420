"""How an installation gets here, to another server, and past an upgrade: import, backup, restore, upgrade check."""
