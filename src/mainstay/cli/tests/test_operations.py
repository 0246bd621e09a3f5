"""The command line reaches every operation of the API, and only with members that it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mainstay.cli.operations import Operation, call, read_operations, read_value
from mainstay.console.api import api
from mainstay.kernel.errors import Invalid

NOTE = Operation(
    "desk_incident_note", "POST", "/desk/incidents/{incident_id}/notes", "", {"incident_id": "path"}, {"text": {"type": "string"}}
)


@dataclass
class Recorder:
    """Keeps what would be sent."""

    sent: list[tuple[str, str, Any, Mapping[str, Any]]] = field(default_factory=list)

    def send(self, method: str, path: str, *, query: Any, body: Mapping[str, Any]) -> Any:
        self.sent.append((method, path, query, body))
        return {}


def test_members_go_where_the_document_says() -> None:
    recorder = Recorder()

    call(recorder, NOTE, {"incident_id": "7", "text": "a=b"})  # type: ignore[arg-type]  # a recorder stands in for the client

    assert recorder.sent == [("POST", "/desk/incidents/7/notes", [], {"text": "a=b"})]


def test_an_unknown_member_is_refused_and_nothing_is_sent() -> None:
    recorder = Recorder()

    with pytest.raises(Invalid, match="it takes: incident_id, text"):
        call(recorder, NOTE, {"incident_id": "7", "txt": "x"})  # type: ignore[arg-type]  # as above

    assert recorder.sent == []


def test_a_missing_place_in_the_path_is_named() -> None:
    with pytest.raises(Invalid, match="needs incident_id"):
        call(Recorder(), NOTE, {"text": "x"})  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("12", {"type": "string"}, "12"),
        ("12", {"type": "integer"}, 12),
        ('["a"]', {"type": "array"}, ["a"]),
        ("null", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
    ],
)
def test_values_are_read_as_their_schema_says(text: str, schema: Mapping[str, Any], value: object) -> None:
    assert read_value(text, schema) == value


def test_every_operation_of_the_api_is_reachable_under_one_name() -> None:
    names = [one.name for one in read_operations(api.get_openapi_schema())]

    assert len(names) == len(set(names))
    assert {"desk_incident_resolve", "estate_device_approve", "automation_trust_import", "alerting_alert_acknowledge"} <= set(names)
