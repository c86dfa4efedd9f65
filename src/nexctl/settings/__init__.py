"""Profiles, the configuration file, folders and the key store."""
