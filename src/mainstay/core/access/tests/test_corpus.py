"""The Cedar corpus, through our own adapter."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from mainstay.core.access import cedar

ROOT = Path(__file__).parents[5]
FOLDER = Path(os.environ.get("MAINSTAY_CONFORMANCE") or ROOT / "../shared/conformance")
ARCHIVE = FOLDER / "cedar" / "corpus-tests.tar.gz"

_ASKED = "MAINSTAY_CONFORMANCE is set" if "MAINSTAY_CONFORMANCE" in os.environ else "MAINSTAY_CONFORMANCE is not set"
needs_corpus = pytest.mark.skipif(not ARCHIVE.exists(), reason=f"no conformance data ({_ASKED} and {ARCHIVE} does not exist)")


@needs_corpus
def test_every_decision_and_every_validation_of_the_corpus_agrees():
    members = read_members()
    cases = sorted(name for name in members if name.endswith(".json") and not name.endswith(".entities.json"))

    disagreements = []
    requests = 0
    for name in cases:
        case = json.loads(members[name])
        requests += len(case["requests"])
        disagreements += judge(name, case, members)

    assert (len(cases), requests) == (1500, 12000)
    assert disagreements == []


def judge(name: str, case: dict, members: dict[str, str]) -> list[str]:
    policies, schema = members[case["policies"]], members[case["schema"]]
    entities = cedar.entities(members[case["entities"]], schema)
    wrong = [] if (cedar.complaints(policies, schema) == []) == case["shouldValidate"] else [f"{name}: validation"]
    asked = [cedar.Request(one["principal"], one["action"], one["resource"], one["context"]) for one in case["requests"]]
    answers = cedar.decide(asked, cedar.parse(policies), entities)
    for number, (expected, answer) in enumerate(zip(case["requests"], answers, strict=True)):
        said = (answer.allowed, sorted(answer.policies), len(answer.errors))
        if said != (expected["decision"] == "allow", sorted(expected["reason"]), len(expected["errors"])):
            wrong.append(f"{name} request {number}: {said}, {answer.errors}")
    return wrong


def read_members() -> dict[str, str]:
    with tarfile.open(ARCHIVE) as archive:
        return {member.name: archive.extractfile(member).read().decode() for member in archive if member.isfile()}
