"""Byte-pair counting of o200k_base, cl100k_base and qwen2.5, offline: `table` for one prompt,
`bulk` for gigabytes, `split` and `nfc` for what happens to text before pairs are merged."""
