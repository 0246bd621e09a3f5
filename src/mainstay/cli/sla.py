"""`mainstay sla`: where a promise stands and why, and the repair of what was computed from events.

Owns: arguments and what is printed. Does not own: the arithmetic (desk.rules.sla), the repair (desk.services).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any  # answers of the API
from uuid import UUID

import typer

from mainstay.cli.client import Client
from mainstay.kernel.errors import Invalid, NotFound

EXIT_DIFFERS = 1
LOOKED_AT = 200
sla = typer.Typer(no_args_is_help=True, help="What was promised for an incident, and how it stands.")
IncidentArgument = Annotated[str, typer.Argument(help="The reference (such as ACME-1042-29), its number, or its id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer of the API.")]


def register(app: typer.Typer) -> None:
    app.add_typer(sla, name="sla")


@sla.command()
def explain(incident: IncidentArgument, as_json: JsonOption = False) -> None:
    """Show every clock of an incident, with the stretches that add up to its consumed and paused time."""
    client = Client.from_environment()
    found = find(client, incident)
    clocks = client.get(f"/desk/incidents/{found['id']}/clocks")
    print(json.dumps(clocks) if as_json else "\n".join(told(found, clocks)))


@sla.command()
def repair(
    incident: Annotated[str, typer.Argument(help="One incident; all when absent.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say what differs, and end with exit code 1 if something does.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compute clocks and columns anew from the events of incidents, which are the truth."""
    client = Client.from_environment()
    one = str(find(client, incident)["id"]) if incident else None
    report = client.send("POST", "/desk/clocks/rebuild", query=[], body={"incident_id": one, "check": check})
    differences = report["differences"]
    ending = "Nothing differs." if not differences else "Nothing was written." if check else "Written anew."
    text = "\n".join([*differences, f"{report['tickets']} incidents looked at, {len(differences)} differences. {ending}"])
    print(json.dumps(report) if as_json else text)
    if check and differences:
        raise typer.Exit(EXIT_DIFFERS)


def find(client: Client, text: str) -> Mapping[str, Any]:
    """Return the row of an incident by id, reference or number. Errors: NotFound; Invalid when a number fits several."""
    if _is_id(text):
        return {"id": text, "reference": text}
    rows = [row for row in client.rows("/desk/incidents", [("q", text.lstrip("#"))], LOOKED_AT) if _fits(str(row["reference"]), text)]
    if not rows:
        raise NotFound("cli.no_such_incident", f"There is no incident {text}; `mainstay incidents` lists them.")
    if len(rows) > 1:
        raise Invalid("cli.which_incident", f"{text} may be {', '.join(str(row['reference']) for row in rows)}; give the whole reference.")
    return rows[0]


def _fits(reference: str, text: str) -> bool:
    """A reference is prefix, number and check digits; the number alone is what people say."""
    wanted = text.casefold().lstrip("#")
    return wanted == reference.casefold() or reference.split("-")[1:2] == [wanted]


def told(incident: Mapping[str, Any], clocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of an explanation."""
    if not clocks:
        yield f"{incident['reference']}: no promise is bound to it, so no clock runs."
    for one in clocks:
        due = f", due {one['due_at']}" if one["due_at"] else ""
        yield f"{incident['reference']}  {one['clock']} {one['cycle']}.{one['epoch']}: {one['state']}{due}"
        promised = f" of {_long(one['target_s'] * 1_000_000)}" if one["target_s"] else ""
        yield f"    {_long(one['consumed_us'])}{promised} consumed, {_long(one['paused_us'])} paused"
        yield from (f"    {_segment(segment)}" for segment in one["segments"])


def _segment(one: Mapping[str, Any]) -> str:
    why = f"  {', '.join(str(reason) for reason in one['reasons'])}" if one["reasons"] else ""
    return f"{one['start_at']} to {one['end_at'] or 'now'}  {one['kind']}  {_long(one['exact_us'])}{why}"


def _long(microseconds: int) -> str:
    return str(timedelta(microseconds=microseconds))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
