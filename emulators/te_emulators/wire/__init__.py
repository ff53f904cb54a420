"""What all wire layers share: HTTP and WebSocket servers that apply faults, latency and limits."""
