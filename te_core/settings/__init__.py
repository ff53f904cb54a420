"""Settings: their schema, and how they are read, watched and compared. The last valid settings stay active."""
