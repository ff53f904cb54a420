"""Programs for maintainers: they read the repository, and no engine needs them."""
