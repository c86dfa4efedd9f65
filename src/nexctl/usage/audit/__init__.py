"""The audit of usage: every billed line priced again on the one engine, the rest in words."""
