"""Handlers of the routes about accounts and their operation, one module a noun."""
