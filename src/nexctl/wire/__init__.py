"""The gateway contract once, for client and server: one table of routes, one of refusals, types.

`routes` and `refusals` are plain data. The bodies are msgspec Structs, one module a noun, so that a
command imports only those it speaks: `base`, `envelope`, `me`, `keys`, `budgets`, `wallet`,
`topups`, `models`, `chat`, `embeddings`, `counts`, `usage`, `admin`, `payments`.
"""
