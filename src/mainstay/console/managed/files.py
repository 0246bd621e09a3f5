"""Text files to items and back: a strict, small part of YAML, with the place of everything that is said.

Owns: limits, refusals with file and line, the one way in which a file is written. Does not own: what a field means (`kinds`).
Invariant: writing what was read gives the same bytes, whoever wrote it before.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import yaml
from yaml.constructor import SafeConstructor
from yaml.events import AliasEvent, NodeEvent

from mainstay.kernel.errors import Invalid
from mainstay.kernel.json import Json

FILE_CHARS_MAX = 1_000_000
EVENTS_MAX = 200_000
SUFFIX = ".yaml"

Spec = dict[str, Json]


@dataclass(frozen=True)
class Field:
    """One field of a kind. `default` None: the field must be there, unless `is_optional`; a value equal to it is not written."""

    types: tuple[type, ...]
    default: Json = None
    is_optional: bool = False


@dataclass(frozen=True)
class Place:
    """Where something stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Item:
    """One object of a file, complete with defaults."""

    spec: Spec
    place: Place


def read(file: str, text: str, fields: Mapping[str, Field]) -> list[Item]:
    """Return the items of a file. Errors: Invalid naming file and line."""
    root = _composed(file, text)
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        raise _wrong(file, root, "config.not_a_list", "a file holds a list of objects, each beginning with a hyphen")
    return [_item(file, node, fields) for node in root.value]


def write(specs: Iterable[Spec], fields: Mapping[str, Field], order: Sequence[str]) -> str:
    """Return the text of a file: sorted, without what is the default."""
    listed = sorted(specs, key=lambda spec: [str(spec[name]) for name in order])
    shown = [{name: spec[name] for name in fields if spec[name] != fields[name].default} for spec in listed]
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120) if shown else ""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence about a name that is not known, with the nearest that is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"unknown {what} {name}; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}")


def _composed(file: str, text: str) -> yaml.Node | None:
    if len(text) > FILE_CHARS_MAX:
        raise Invalid("config.file_too_large", f"{file}: a file has at most {FILE_CHARS_MAX} characters")
    try:
        _check_events(file, text)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise Invalid("config.not_yaml", f"{file}:{line}: {problem.problem or 'this is not YAML'}", file=file, line=line) from problem
    except (yaml.YAMLError, RecursionError) as problem:
        raise Invalid("config.not_yaml", f"{file}: this is not YAML") from problem


def _check_events(file: str, text: str) -> None:
    """Refuse what makes a small file large or strange: anchors, aliases, tags."""
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        is_named = isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None)
        if is_named or getattr(event, "tag", None) is not None or number > EVENTS_MAX:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Invalid("config.not_plain", f"{file}:{line}: anchors, aliases and tags are not read; write it out", file=file, line=line)


def _item(file: str, node: yaml.Node, fields: Mapping[str, Field]) -> Item:
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(file, node, "config.not_an_object", "an object with fields is expected")
    spec: Spec = {}
    for key, value in node.value:
        name = str(key.value)
        if name not in fields:
            raise _wrong(file, key, "config.unknown_field", unknown("field", name, fields))
        if name in spec:
            raise _wrong(file, key, "config.field_twice", f"the field {name} stands here twice")
        spec[name] = _value(file, value, name, fields[name])
    for name, field in fields.items():
        if name not in spec and field.default is None and not field.is_optional:
            raise _wrong(file, node, "config.field_missing", f"the field {name} is missing")
    complete: Spec = {name: spec.get(name, field.default) for name, field in fields.items()}
    return Item(complete, Place(file, node.start_mark.line + 1))


def _value(file: str, node: yaml.Node, name: str, field: Field) -> Json:
    value = SafeConstructor().construct_document(node)
    # Python counts true and false among the whole numbers; a file does not.
    is_right = isinstance(value, field.types) and (bool in field.types or not isinstance(value, bool))
    if not is_right or not _is_json(value):
        names = " or ".join(_WORDS[one] for one in field.types)
        raise _wrong(file, node, "config.wrong_type", f"the field {name} is {names}")
    return _sorted(cast(Json, value))


_WORDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "an object",
    float: "a number",
}


def _is_json(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_json(one) for one in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(one) for key, one in value.items())
    return value is None or isinstance(value, str | int | float | bool)


def _sorted(value: Json) -> Json:
    """Lists in these files are sets: their order means nothing, so there is one."""
    if isinstance(value, list):
        return sorted((_sorted(one) for one in value), key=str)
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return value


def _wrong(file: str, node: yaml.Node, code: str, sentence: str) -> Invalid:
    line = node.start_mark.line + 1
    return Invalid(code, f"{file}:{line}: {sentence}", file=file, line=line)
