"""Settings: their schema, how they are read, watched and compared. The last good ones stay in force."""
