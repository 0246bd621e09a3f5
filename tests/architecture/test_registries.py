"""The registries agree: permissions, policies, services, ledger acts, lists, API and command line.

Source: style page, sections 5, 6 and 9; architecture page, section 5.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mainstay.core.access import catalogue
from mainstay.core.access.roles import Role
from tests.architecture.routes import operation_ids

SOURCE = Path(__file__).parents[2] / "src" / "mainstay"
ACTION = re.compile(r"[a-z_]+(?:\.[a-z_0-9]+){2}")

# Permissions that no service names yet, each with the reason why its line may stand.
UNUSED_YET: dict[str, str] = {}

# Writes without an actor, each with what stands for the permission.
WITHOUT_ACTOR = {
    "use_link": "the link itself is the permission: its holder has no account yet",
}
# Services whose permission is asked by the service that they hand over to, or that only continue what was permitted.
HANDS_OVER = {
    "advance": "continues a run that was permitted when it started",
    "signal_run": "continues a run that was permitted when it started",
}

# These take the name from a table of literals: list and bulk-act declarations, forms of the help desk, two kinds of session.
TABLES_OF_ACTIONS = ("ui/", "console/", "core/access/services/people.py", "domains/desk/pages.py")

_ASK = {"require", "authorise", "allows"}


@dataclass(frozen=True)
class Function:
    """A public function of a services module."""

    module: str
    name: str
    node: ast.FunctionDef

    @property
    def parameters(self) -> set[str]:
        arguments = self.node.args
        return {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the server without its tests and migrations."""
    paths = [path for path in SOURCE.rglob("*.py") if not {"tests", "migrations"} & set(path.relative_to(SOURCE).parts)]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(paths)}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")), node


def literal(call: ast.Call, place: int) -> str | None:
    value = call.args[place] if len(call.args) > place else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def strings(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def asked() -> dict[str, set[str]]:
    """Action -> files that ask for it by `require`, `authorise` or `allows`."""
    found: dict[str, set[str]] = {}
    for path, tree in trees().items():
        for name, call in calls(tree):
            action = literal(call, 1) if name in _ASK else None
            if action is not None:
                found.setdefault(action, set()).add(str(path.relative_to(SOURCE)))
    return found


def test_every_permission_in_the_source_is_in_a_policy():
    unknown = {action: files for action, files in asked().items() if action not in catalogue.builtin().actions}

    assert unknown == {}
    assert len(asked()) >= 40


def test_every_permission_of_a_list_or_bulk_act_is_in_a_policy():
    named = {
        value
        for tree in trees().values()
        for name, call in calls(tree)
        if name in ("ListSpec", "BulkAct")
        for value in strings(call)
        if ACTION.fullmatch(value) and value.rpartition(".")[2] not in ("html", "csv", "json")
    }

    assert {value for value in named if value not in catalogue.builtin().actions} == set()


def test_every_policy_line_is_used():
    used = set().union(*(strings(tree) for path, tree in trees().items()))

    assert catalogue.builtin().actions - used - set(UNUSED_YET) == set()
    assert set(UNUSED_YET) <= catalogue.builtin().actions - used


def test_every_policy_line_stands_in_the_file_of_its_domain():
    strayed = [
        (path.name, action)
        for path in catalogue.FOLDER.glob("*.cedar")
        for action in re.findall(r'Action::"([a-z_0-9]+\.[a-z_0-9.]+)"', path.read_text(encoding="utf-8"))
        if action.partition(".")[0] != path.stem and path.stem != "walls"
    ]

    assert strayed == []


def test_every_permission_is_asked_by_its_literal_name():
    """A name that is built while running could not be compared with the policies."""
    hidden = [
        f"{path.relative_to(SOURCE)}:{call.lineno}"
        for path, tree in trees().items()
        for name, call in calls(tree)
        if name == "require" and isinstance(call.func, ast.Name) and literal(call, 1) is None
    ]

    assert [place for place in hidden if not place.startswith(TABLES_OF_ACTIONS)] == []


def services() -> list[Function]:
    """What other parts may call: the functions of a `services.py`, or those that the package of that name re-exports."""
    found = []
    for path, tree in trees().items():
        parts = path.relative_to(SOURCE).parts
        is_service = "services" in (parts[-1].removesuffix(".py"), *parts[:-1])
        if is_service and parts[0] in ("core", "domains"):
            found += [
                Function(".".join(parts).removesuffix(".py"), node.name, node)
                for node in tree.body
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _is_exported(path, node.name)
            ]
    return found


def _is_exported(path: Path, name: str) -> bool:
    if path.name == "services.py":
        return True
    package = next(parent for parent in path.parents if parent.name == "services")
    imports = [node for node in ast.walk(trees()[package / "__init__.py"]) if isinstance(node, ast.ImportFrom)]
    return any(alias.name == name for node in imports for alias in node.names)


def test_every_service_asks_for_a_permission_or_hands_over():
    writers = {function.name: function for function in services() if "actor" in function.parameters and function.name not in _ASK}
    askers = {name for name, one in writers.items() if any(called in _ASK for called, _ in calls(one.node))}
    silent = {
        f"{one.module}.{name}"
        for name, one in writers.items()
        if name not in askers and not any(called in askers for called, _ in calls(one.node)) and name not in HANDS_OVER
    }

    assert {name for name in silent if not name.startswith("core.ledger")} == set()
    assert len(askers) >= 30


def recorded() -> dict[str, set[str]]:
    """Ledger act -> files that record it."""
    found: dict[str, set[str]] = {}
    for path, tree in trees().items():
        for name, call in calls(tree):
            act = literal(call, 1) if name == "record" and ast.unparse(call.func) == "ledger.record" else None
            if act is not None:
                found.setdefault(act, set()).add(str(path.relative_to(SOURCE)))
    return found


def test_every_ledger_act_is_a_domain_a_noun_and_a_participle():
    wrong = [act for act in recorded() if not ACTION.fullmatch(act) or not _is_past(act.rpartition(".")[2])]

    assert wrong == []
    assert len(recorded()) >= 30


# Participles that do not end in -ed.
_IRREGULAR = {"begun", "built", "found", "given", "held", "kept", "lost", "made", "met", "rebuilt", "run", "sent", "set", "taken", "told"}


def _is_past(word: str) -> bool:
    return any(part.endswith("ed") or part in _IRREGULAR for part in word.split("_"))


def test_a_ledger_act_is_recorded_by_its_own_domain():
    strayed = {
        act: files
        for act, files in recorded().items()
        if not any({act.partition(".")[0], "console"} & set(Path(file).parts) for file in files)
    }

    assert strayed == {}


def test_every_list_is_served_by_the_api_as_well():
    declared = {
        str(keyword.value.value)
        for tree in trees().values()
        for name, call in calls(tree)
        if name == "ListSpec"
        for keyword in call.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    }
    served = {str(one).removesuffix("_list") for one in operation_ids()}

    assert {name for name in declared if name.replace(".", "_") not in served} == set()
    assert len(declared) >= 5


def test_operations_of_the_api_have_names_of_their_own():
    names = operation_ids()

    assert None not in names
    assert len(names) == len(set(names)) >= 30
    assert [name for name in names if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", str(name))] == []


def test_roles_of_the_system_are_given_to_no_person():
    """`service` and `agent` are named in code; a person who held one would skip every check of people."""
    assert {str(role) for role in (Role.SERVICE, Role.AGENT)} == {"service", "agent"}
    given = [
        str(path)
        for path, tree in trees().items()
        for name, call in calls(tree)
        if name == "create" and {"service", "agent"} & _roles_in(call)
    ]

    assert given == []


def _roles_in(call: ast.Call) -> set[str]:
    return {str(keyword.value.value) for keyword in call.keywords if keyword.arg == "role" and isinstance(keyword.value, ast.Constant)}
