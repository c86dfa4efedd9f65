"""Workflows with a gateway in several steps: keys, rotation, import, top-ups, wallet, chat.

They print nothing and ask nobody: they take a `gateways.port.Gateway`, return results, and tell
what happens through callbacks.
"""
