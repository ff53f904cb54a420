"""Create, identify, supervise and stop instances of plugins."""
