"""Batches: admitted with a quote, worked on line by line, ended exactly."""
