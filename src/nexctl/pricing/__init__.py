"""Price books and exact charges. Pure: no network, no database, no floating point."""
