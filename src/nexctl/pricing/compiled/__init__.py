"""Price books compiled to literals."""
