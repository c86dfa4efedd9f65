"""What stands between nexctl and things written by others: text, sheets, git."""
