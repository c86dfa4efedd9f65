"""Where requests go: the port, one module a kind, and the switchboard that picks."""
