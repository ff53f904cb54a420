"""A weekend looked back on: the whole engine, real exchanges' protocols, sixty hours in minutes."""
