"""Made by scripts/build_books.py: id -> (title, kind, ((module, from, to), ...))."""

from __future__ import annotations

BOOKS: dict[str, tuple[str, str, tuple[tuple[str, str | None, str | None], ...]]] = {'nextoken': ('NexToken', 'gateway', (('nextoken', None, None),)),
 'nexrelay': ('NexRelay', 'gateway', (('nexrelay', None, None),)),
 'deeptoken': ('DeepToken', 'gateway', (('deeptoken', None, None),)),
 'nexu': ('nexu', 'gateway', (('nexu', None, None),)),
 'tokenok': ('TokenOK', 'gateway', (('tokenok', None, None),)),
 'anthropic': ('Anthropic list prices', 'upstream', (('anthropic', None, None),)),
 'deepseek': ('DeepSeek list prices', 'upstream', (('deepseek', None, None),)),
 'google': ('Google Gemini list prices', 'upstream', (('google', None, None),)),
 'groq': ('Groq list prices', 'upstream', (('groq', None, None),)),
 'minimax': ('MiniMax list prices', 'upstream', (('minimax', None, None),)),
 'mistral': ('Mistral list prices', 'upstream', (('mistral', None, None),)),
 'moonshotai': ('Moonshot AI list prices', 'upstream', (('moonshotai', None, None),)),
 'openai': ('OpenAI list prices', 'upstream', (('openai', None, None),)),
 'zai': ('Z.ai list prices', 'upstream', (('zai', None, None),))}
