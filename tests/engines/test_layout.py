"""Where things are, and what a settings file may say."""

from pathlib import Path

import pytest

from mainstay.engines.layout import DatabaseAddress, Layout
from mainstay.kernel.errors import Invalid


def layout(tmp_path: Path, text: str | None = None, **environ: str) -> Layout:
    if text is not None:
        (tmp_path / "mainstay.toml").write_text(text)
    return Layout.from_environment({"MAINSTAY_DATA": str(tmp_path), **environ})


def test_without_a_file_the_defaults_hold_and_everything_is_embedded(tmp_path: Path) -> None:
    plain = Layout.from_environment({"MAINSTAY_DATA": "/srv/none"})

    assert (plain.port, plain.has_embedded_postgres, plain.has_embedded_telemetry) == (8080, True, True)
    assert plain.database_url("app") == "postgresql://mainstay_app@/mainstay?host=/srv/none/run/postgres"
    assert plain.database("ledger")["USER"] == "mainstay_ledger"
    assert layout(tmp_path).port == 8080
    assert list(tmp_path.iterdir()) == []


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = '[web]\nport = 9000\nhosts = ["desk.example"]\n'

    assert layout(tmp_path, text).port == 9000
    assert layout(tmp_path, text).extra_hosts == ["desk.example"]
    assert layout(tmp_path, text, MAINSTAY_PORT="9001").port == 9001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web]\nport = \n", ":2: not valid TOML"),
        ("# ours\n[web]\nprot = 1\n", ":3: unknown setting web.prot; did you mean web.port?"),
        ("[wbe]\nport = 1\n", ":1: unknown setting wbe; did you mean web?"),
        ("[web]\n\nport = 'x'\n", ":3: web.port must be a whole number, not 'x'"),
        ("[web]\nport = true\n", ":2: web.port must be a whole number, not True"),
        ("[web]\nport = 70000\n", ":2: web.port must lie between 1 and 65535"),
        ("[database]\nurl = 'mysql://x'\n", ":2: database.url must begin with postgresql:// or postgres://"),
        ("[agent]\nenabled = 'no'\n", ":2: agent.enabled must be true or false"),
    ],
)
def test_a_wrong_file_is_refused_by_line_with_a_remedy(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(Invalid) as refused:
        layout(tmp_path, text)

    assert refused.value.code == "engines.settings_invalid"
    assert f"{tmp_path / 'mainstay.toml'}{expected}" in refused.value.message


def test_a_wrong_variable_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="MAINSTAY_PORT must be a whole number, not 'http'"):
        layout(tmp_path, MAINSTAY_PORT="http")


def test_a_supervised_process_does_not_read_the_file(tmp_path: Path) -> None:
    assert layout(tmp_path, "broken", MAINSTAY_SUPERVISED="1").port == 8080


def test_a_long_data_folder_gets_a_short_folder_for_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)

    long = Layout.from_environment({"MAINSTAY_DATA": str(deep)})

    assert long.socket_dir == Path(f"/tmp/mainstay-{long.instance}/postgres")
    assert Layout.from_environment({"MAINSTAY_DATA": str(deep)}).socket_dir == long.socket_dir


def test_two_installations_share_no_name(tmp_path: Path) -> None:
    assert layout(tmp_path).instance != Layout.from_environment({"MAINSTAY_DATA": str(tmp_path / "b")}).instance


def test_an_external_database_needs_an_address_for_each_role(tmp_path: Path) -> None:
    external = layout(tmp_path, MAINSTAY_DATABASE_URL="postgresql://app:s%40crt@db.example:6432/mainstay?sslmode=require")

    assert external.database("app") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "mainstay",
        "USER": "app",
        "PASSWORD": "s@crt",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
        "CONN_MAX_AGE": 0,
    }
    with pytest.raises(Invalid, match=r"needs database\.owner_url in "):
        external.database_url("owner")


def test_a_database_url_without_a_name_is_refused_without_its_password() -> None:
    with pytest.raises(Invalid) as refused:
        DatabaseAddress.parse("postgresql://app:secret@db.example/")

    assert "names no database" in refused.value.message
    assert "secret" not in refused.value.message


def test_in_a_clone_the_data_folder_is_var() -> None:
    clone = Path(__file__).resolve().parents[2]

    assert Layout.from_environment({}).data == clone / "var"


def test_a_label_is_any_text() -> None:
    assert Layout.from_environment({"MAINSTAY_DATA": "/tmp/x", "MAINSTAY_LABEL": "DEMO"}).settings["web.label"] == "DEMO"
