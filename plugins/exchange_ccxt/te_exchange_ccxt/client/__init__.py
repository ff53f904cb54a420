"""The HTTP and WebSocket client of an account, its connection, and what accounts of one exchange share."""
