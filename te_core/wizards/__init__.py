"""Questions whose answers become settings; every one also without questions."""
