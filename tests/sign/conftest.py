import pytest

from .tool import Tool


@pytest.fixture
def tool(tmp_path, capsys, monkeypatch):
    return Tool(tmp_path, capsys, monkeypatch)
