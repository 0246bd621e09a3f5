"""The two clocks of an endpoint: one that a server cannot hold back, one that it cannot push.

Owns: the upper clock (for `exp` and expiry: max of device clock and floor), the lower clock (for `nbf`, windows, delays and
budgets: the device clock, never back, within one boot never faster than CLOCK_BOOTTIME), and the floor.
Does not own: reading the hardware; callers pass wall seconds, boot id and seconds since boot, and store the state returned.
Invariant: no message of a server moves the lower clock; no set-back of the device clock moves the upper one below the floor.
"""

from dataclasses import dataclass, replace

DISAGREE_S_MAX = 86400


@dataclass(frozen=True)
class ClockState:
    """What the helper stores between readings (Unix seconds; `anchor_*` belong to the boot named)."""

    floor: int = 0
    lower: int = 0
    boot: str = ""
    anchor_lower: int = 0
    anchor_uptime: int = 0


@dataclass(frozen=True)
class Reading:
    """One moment: `upper` for expiries, `lower` for everything that must not come too early, `wall` as the device has it."""

    upper: int
    lower: int
    wall: int

    def is_wrong(self, policy_issued: int) -> bool:
        """Tell whether the device clock stands before the policy was issued; then only time.sync runs above T0."""
        return self.wall < policy_issued


def read(state: ClockState, *, wall: int, boot: str, uptime_s: int) -> tuple[Reading, ClockState]:
    """Return both clocks and the state to store."""
    if boot != state.boot:
        state = replace(state, boot=boot, anchor_lower=max(state.lower, wall), anchor_uptime=uptime_s)
    fastest = state.anchor_lower + (uptime_s - state.anchor_uptime)
    lower = max(state.lower, min(wall, fastest))
    return Reading(max(wall, state.floor), lower, wall), replace(state, lower=lower)


def raise_floor(state: ClockState, time: int, *, wall: int) -> tuple[ClockState, str | None]:
    """Move the floor to a signed time; more than a day ahead of the device clock it stays, with code clock_disagree."""
    if time > wall + DISAGREE_S_MAX:
        return state, "clock_disagree"
    return replace(state, floor=max(state.floor, time)), None
