"""The embedded ClickHouse: one process that owns it and answers its HTTP protocol on loopback."""
