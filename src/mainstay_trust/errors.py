"""The one way in which this package says no to bytes that it cannot accept.

Owns: `Rejected`, which carries a stable code of the specification and a sentence for people.
Does not own: verdicts on commands (`commands.Verdict`), which are values and not exceptions.
Invariant: a code never changes its meaning; detail never contains a secret.
"""


class Rejected(ValueError):
    """Input that is malformed, forged or out of order; `code` is stable, `detail` is for a person."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
