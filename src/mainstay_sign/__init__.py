"""The offline signing tool: keys that the server never holds, and what people sign with them.

Owns: keys at rest, rendering before signing, the diary. Does not own: what a document means (`mainstay_trust`), the network.
Invariant: a private key is never on disk in the clear; nothing is signed that was not shown from its own bytes.
"""
