"""nexctl: the command line for people who buy and sell LLM tokens through prepaid gateways."""
