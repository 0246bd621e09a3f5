"""Outside systems, one folder each: `intake` reads, `effects` changes. Effects are reachable only through the action gate."""
