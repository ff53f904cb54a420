"""The common part of all wire layers: HTTP and WebSocket servers that apply faults, latency and limits."""
