"""The embedded gateway: routes, policy, providers and payments over a ledger of its own."""
