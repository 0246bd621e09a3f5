"""The lists of assurance: every view that ships with them can be obeyed."""

from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict

from mainstay.domains.assurance.queries.lists import CHECKS, FINDINGS, RUNS, SYSTEMS
from mainstay.domains.assurance.tests.builders import NOW
from mainstay.ui.lists.grammar import parse
from mainstay.ui.lists.values import Viewer

VIEWS = [(spec, view) for spec in (RUNS, FINDINGS, CHECKS, SYSTEMS) for view in spec.views]


@pytest.mark.parametrize(("spec", "view"), VIEWS, ids=[f"{spec.name}: {view.name}" for spec, view in VIEWS])
def test_every_view_is_understood(spec, view):
    query = parse(spec, dict(QueryDict(view.query).lists()), Viewer(now=NOW, zone=ZoneInfo("UTC"), ref="p:tara"))

    assert query.problems == ()
    assert len(query.filters) == len(QueryDict(view.query))
