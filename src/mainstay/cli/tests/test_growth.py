"""The unit that systemd gets."""

from pathlib import Path

import pytest

from mainstay.cli.growth import unit_text
from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Invalid


def test_the_unit_names_folder_and_port_and_survives_blanks_quotes_and_percents(tmp_path: Path) -> None:
    layout = Layout.from_environment({"MAINSTAY_DATA": str(tmp_path / 'a "b" 100% c'), "MAINSTAY_PORT": "8181"})
    text = unit_text(layout)
    assert f'Environment="MAINSTAY_DATA={tmp_path}/a \\"b\\" 100%% c"\n' in text
    assert 'Environment="MAINSTAY_PORT=8181"\n' in text
    assert '/bin/mainstay" up\n' in text


def test_a_line_break_in_the_path_cannot_add_a_directive(tmp_path: Path) -> None:
    layout = Layout.from_environment({"MAINSTAY_DATA": f"{tmp_path}/a\nExecStartPre=/bin/true"})
    with pytest.raises(Invalid, match="line break"):
        unit_text(layout)
