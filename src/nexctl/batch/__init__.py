"""Batches as one journaled pipeline: check, quote, shard, submit, follow, collect, verify."""
