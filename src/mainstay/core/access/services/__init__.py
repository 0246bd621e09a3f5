"""Every decision and every write of core.access.

Owns: nothing itself; a caller imports from here and need not know the file.
"""

from mainstay.core.access.services.decide import Because, Ruling, allows, authorise, require
from mainstay.core.access.services.grants import end_grant, grant_access
from mainstay.core.access.services.links import UsedLink, make_link, use_link
from mainstay.core.access.services.people import add_person, assign_role, disable_person, end_assignment, end_sessions
from mainstay.core.access.services.tenants import create_client, create_site
from mainstay.core.access.services.tokens import create_token, revoke_token

__all__ = [
    "Because",
    "Ruling",
    "UsedLink",
    "add_person",
    "allows",
    "assign_role",
    "authorise",
    "create_client",
    "create_site",
    "create_token",
    "disable_person",
    "end_assignment",
    "end_grant",
    "end_sessions",
    "grant_access",
    "make_link",
    "require",
    "revoke_token",
    "use_link",
]
