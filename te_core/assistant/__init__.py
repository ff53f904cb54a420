"""What an assistant may ask of the engine, and have it do: ``te mcp``."""
