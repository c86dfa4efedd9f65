"""A request through the gateway: policy, reserve, provider, check of usage, settle, answer."""
