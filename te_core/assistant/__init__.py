"""The MCP server for assistants: queries and commands (``te mcp``)."""
