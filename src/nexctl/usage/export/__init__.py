"""Usage records into a file that finance can add up: pages in, one sealed file out.

window, filters (`window`)     which records
pages                          the gateway's pages, checked: numbers are numbers, order holds
csv, jsonl, focus              rows as bytes, page by page
parquet, xlsx                  made from the finished JSONL rows
journal                        the part file and how far it is; what `--resume` reads
gaps                           the ledger's other entries, and whether the balance adds up
run                            all of it, to a file with its manifest or to a stream
"""
