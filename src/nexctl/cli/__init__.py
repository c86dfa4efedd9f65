"""What a person types and sees: commands, output, errors, completion. No arithmetic, no HTTP."""
