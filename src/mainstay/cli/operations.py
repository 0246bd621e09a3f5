"""Every operation of the API on the command line: `mainstay do desk incident note incident_id=... text=...`.

Owns: the way from words and key=value pairs to one request, read from the API's own document, so that nothing can be missing here.
Does not own: what an operation means. Singular words (`mainstay incident ID`) are short names of its reading operations.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any  # an OpenAPI document, and answers of any operation

import typer
from rich.console import Console
from rich.table import Table

from mainstay.cli.client import Client
from mainstay.kernel.errors import Invalid

METHODS = ("get", "post", "put", "patch", "delete")
out = Console(highlight=False, soft_wrap=True)
WordsArgument = Annotated[list[str] | None, typer.Argument(help="The operation in words, then key=value for each of its members.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer of the API.")]
RECORDS = {
    "device": "estate_device_read",
    "incident": "desk_incident_read",
    "run": "automation_run_read",
    "why": "alerting_alert_why",
}


@dataclass(frozen=True)
class Operation:
    """One operation: its name, and where each of its members goes. `body` maps a member to its schema."""

    name: str
    method: str
    path: str
    summary: str
    parameters: Mapping[str, str]
    body: Mapping[str, Mapping[str, Any]]


def register(app: typer.Typer) -> None:
    app.command("do")(do)
    for word, name in RECORDS.items():
        app.command(word)(_reader(word, name))


def do(words: WordsArgument = None, as_json: JsonOption = False) -> None:
    """Do any operation of the API. Without words: list them."""
    client = Client.from_environment()
    operations = {one.name: one for one in read_operations(client.get("/openapi.json"))}
    if not words:
        _print_operations(operations.values())
        return
    names = [word for word in words if "=" not in word]
    operation = operations.get("_".join(names))
    if operation is None:
        raise Invalid("cli.unknown_operation", f"There is no operation `{' '.join(names)}`; `mainstay do` lists them.")
    _print(call(client, operation, dict(pair.split("=", 1) for pair in words if "=" in pair)), as_json)


def call(client: Client, operation: Operation, given: Mapping[str, str]) -> Any:
    """Send one operation. Errors: Invalid("cli.unknown_member") for a key that it does not have."""
    unknown = sorted(set(given) - set(operation.parameters) - set(operation.body))
    if unknown:
        known = ", ".join([*operation.parameters, *operation.body]) or "nothing"
        raise Invalid("cli.unknown_member", f"`{operation.name}` has no member {', '.join(unknown)}; it takes: {known}.")
    path = operation.path
    for name in [name for name, place in operation.parameters.items() if place == "path"]:
        if name not in given:
            raise Invalid("cli.missing_member", f"`{operation.name}` needs {name}=...")
        path = path.replace(f"{{{name}}}", given[name])
    query = [(name, given[name]) for name, place in operation.parameters.items() if place == "query" and name in given]
    body = {name: read_value(given[name], schema) for name, schema in operation.body.items() if name in given}
    return client.send(operation.method, path, query=query, body=body)


def read_value(text: str, schema: Mapping[str, Any]) -> Any:
    """Read a value as its schema says: text stays text, everything else is JSON."""
    kinds = {str(one.get("type")) for one in (schema, *schema.get("anyOf", ()))}
    if "string" in kinds:
        return None if text == "null" and "null" in kinds else text
    try:
        return json.loads(text)
    except ValueError as problem:
        raise Invalid("cli.bad_value", f"{text[:80]!r} is not JSON, which this member needs.") from problem


def read_operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations of an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield _operation(document, path, method, methods[method])


def _operation(document: Mapping[str, Any], path: str, method: str, found: Mapping[str, Any]) -> Operation:
    content = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolved(document, content)
    return Operation(
        name=str(found["operationId"]),
        method=method.upper(),
        path=path.removeprefix("/api/v1"),
        summary=str(found.get("summary", "")),
        parameters={str(one["name"]): str(one["in"]) for one in found.get("parameters", ())},
        body=schema.get("properties", {}),
    )


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    resolved: Mapping[str, Any] = document["components"]["schemas"][str(reference).rsplit("/", 1)[1]] if reference else schema
    return resolved


def _reader(word: str, name: str) -> Any:
    """Return the command that shows one record."""

    def show(record_id: Annotated[str, typer.Argument(help=f"The id of the {word}.")], as_json: JsonOption = False) -> None:
        client = Client.from_environment()
        operation = next(one for one in read_operations(client.get("/openapi.json")) if one.name == name)
        (member,) = (parameter for parameter, place in operation.parameters.items() if place == "path")
        _print(call(client, operation, {member: record_id}), as_json)

    show.__doc__ = "Show why an alert is as it is." if word == "why" else f"Show one {word}."
    return show


def _print_operations(operations: Sequence[Operation] | Any) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("operation", "members", "what it does"):
        table.add_column(title, overflow="fold")
    for one in sorted(operations, key=lambda each: each.name):
        table.add_row(one.name.replace("_", " "), " ".join([*one.parameters, *one.body]), one.summary)
    out.print(table)


def _print(answer: Any, as_json: bool) -> None:
    print(json.dumps(answer) if as_json else json.dumps(answer, indent=2, ensure_ascii=False))
