"""The built-in roles and how they contain one another.

Owns: names, order, and which of them need a second factor. Does not own: what a role may do (the `.cedar` files).
Source: security page, section 2 rule 1.
"""

from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    TECHNICIAN_3 = "technician_3"
    TECHNICIAN_2 = "technician_2"
    TECHNICIAN_1 = "technician_1"
    DISPATCHER = "dispatcher"
    SECURITY_ANALYST = "security_analyst"
    COMPLIANCE_OFFICER = "compliance_officer"
    APPROVER = "approver"
    BILLING = "billing"
    CLIENT_ADMIN = "client_admin"
    CLIENT_MANAGER = "client_manager"
    END_USER = "end_user"
    AUDITOR = "auditor"
    SERVICE = "service"
    AGENT = "agent"
    EMERGENCY = "emergency"


# A role holds everything that the roles on its right hold. `staff` and `member` exist only to write a policy line
# once for all who work at the provider and for everybody who is known to the tenant; nobody is assigned to them.
CONTAINS: dict[str, tuple[str, ...]] = {
    Role.OWNER: (Role.ADMIN,),
    Role.EMERGENCY: (Role.OWNER,),
    Role.ADMIN: (Role.TECHNICIAN_3, Role.DISPATCHER, Role.SECURITY_ANALYST, Role.COMPLIANCE_OFFICER, Role.APPROVER, Role.BILLING),
    Role.TECHNICIAN_3: (Role.TECHNICIAN_2,),
    Role.TECHNICIAN_2: (Role.TECHNICIAN_1,),
    Role.TECHNICIAN_1: ("staff",),
    Role.DISPATCHER: ("staff",),
    Role.SECURITY_ANALYST: ("staff",),
    Role.COMPLIANCE_OFFICER: ("staff",),
    Role.APPROVER: ("member",),
    Role.BILLING: ("member",),
    "staff": ("member",),
    Role.CLIENT_ADMIN: (Role.CLIENT_MANAGER,),
    Role.CLIENT_MANAGER: (Role.END_USER, "member"),
    Role.END_USER: (),
    "member": (),
    Role.AUDITOR: (),
    Role.SERVICE: (),
    Role.AGENT: (),
}

# Roles of the provider reach client tenants through a grant; the others stay where they were given.
PROVIDER_ROLES = frozenset(
    {
        Role.OWNER,
        Role.ADMIN,
        Role.TECHNICIAN_1,
        Role.TECHNICIAN_2,
        Role.TECHNICIAN_3,
        Role.DISPATCHER,
        Role.SECURITY_ANALYST,
        Role.COMPLIANCE_OFFICER,
        Role.APPROVER,
        Role.BILLING,
    }
)
FACTOR_COMPULSORY = PROVIDER_ROLES | {Role.CLIENT_ADMIN, Role.EMERGENCY}
# Parts of the system are named in code and are never given to a person.
NOT_FOR_PEOPLE = frozenset({Role.SERVICE, Role.AGENT})


def held(roles: frozenset[str]) -> frozenset[str]:
    """Return the roles and everything that they contain."""
    seen: set[str] = set()
    waiting = list(roles)
    while waiting:
        role = waiting.pop()
        if role not in seen:
            seen.add(role)
            waiting.extend(CONTAINS.get(role, ()))
    return frozenset(seen)
