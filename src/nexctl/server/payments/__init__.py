"""Money in: figures of an order, the sandbox, and the events of payment providers."""
