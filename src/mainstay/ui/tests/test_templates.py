"""What the content security policy relies on: no template needs inline script, inline style or evaluation."""

import gzip
import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(ROOT.glob("**/templates/**/*.html"))
SCRIPTS = sorted((ROOT / "ui" / "static" / "ms" / "js").glob("*.js"))
BANNED = {
    "hx-on": re.compile(r"\bhx-on\b|\bhx-on:"),
    "js: value": re.compile(r"hx-[a-z-]+(:[a-z]+)?=[\"']js:"),
    "trigger filter": re.compile(r"hx-trigger=[\"'][^\"']*\[[^\"']*\]"),
    "hx-live": re.compile(r"\bhx-live\b"),
    "inline style": re.compile(r"<style|\sstyle="),
    "inline script": re.compile(r"<script(?![^>]*\bsrc=)"),
    "event attribute": re.compile(r"\son[a-z]+="),
    "foreign address": re.compile(r"(?:src|href|action)=[\"'](?:https?:)?//"),
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_needs_no_exception_in_the_policy(template: Path) -> None:
    text = template.read_text(encoding="utf-8")

    assert [name for name, pattern in BANNED.items() if pattern.search(text)] == []


def test_there_are_templates_to_look_at() -> None:
    assert len(TEMPLATES) > 40


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_evaluates_nothing_and_keeps_nothing_about_customers(script: Path) -> None:
    text = script.read_text(encoding="utf-8")

    assert re.findall(r"\beval\(|new Function|innerHTML\s*=|localStorage|sessionStorage|document\.write", text) == []
    assert all(path.startswith(".") for path in re.findall(r"from '([^']+)'", text))


def packed(paths: list[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


def test_a_page_without_a_chart_loads_at_most_40_kilobytes_of_script() -> None:
    own = [script for script in SCRIPTS if script.name != "chart.js"]
    vendor = ROOT / "ui" / "static" / "vendor" / "htmx.min.js"
    if not vendor.exists():
        pytest.skip("no front-end files (run `make up` once while online)")

    assert packed([*own, vendor]) <= 40 * 1024


def test_a_page_with_charts_loads_at_most_65_kilobytes_of_script() -> None:
    vendor = [ROOT / "ui" / "static" / "vendor" / name for name in ("htmx.min.js", "uPlot.js")]
    if not all(path.exists() for path in vendor):
        pytest.skip("no front-end files (run `make up` once while online)")

    assert packed([*SCRIPTS, *vendor]) <= 65 * 1024


def test_the_styles_are_at_most_35_kilobytes() -> None:
    assert packed(sorted((ROOT / "ui" / "static" / "ms" / "css").glob("*.css"))) <= 35 * 1024


@pytest.mark.parametrize("template", ["access/hello.html", "account/login.html"])
def test_a_demonstration_says_so_before_anybody_signs_in(template: str) -> None:
    assert '<strong class="ms-label">DEMO</strong>' in render_to_string(template, {"shell": {"label": "DEMO", "actor": None}})
    assert "ms-label" not in render_to_string(template, {"shell": {"label": "", "actor": None}})
