"""What a request or a prompt file would cost: reading, counting, ranges, gates, differences."""
