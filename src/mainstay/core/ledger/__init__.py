"""The evidence: one Merkle log per tenant, written in the transaction of each change, signed by the sequencer.

Owns: entries, bodies, leaves, tiles, checkpoints, cosignatures, and every proof made of them.
Does not own: who may do what (core.access), when a body may be erased (assurance). It knows nobody above it.
Invariant: entry and leaf are written once; nothing is signed before it is committed; a (log, size) has one root.
"""
