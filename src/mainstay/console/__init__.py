"""What spans domains: Today, palette, search, settings, the ledger's pages, the root of the API.

Owns: pages that show several domains beside each other. Does not own: any record of a domain.
"""
