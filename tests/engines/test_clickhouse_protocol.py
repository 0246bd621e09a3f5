"""What clickhouse-connect must find on the embedded engine."""

import gzip
import http.client
import json
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import lz4.frame
import pyarrow as pa
import pytest
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.engines import RunningTelemetry

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
# clickhouse-connect answers UTC instants without their zone unless told otherwise.
SEEN = AT.replace(tzinfo=None)
BINARY = "semi;colon 'quote' \x00 zero \\ back \n line \N{SNOWMAN}"


class Raw:
    """A plain HTTP connection to the engine, kept alive between requests."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        self.secret = str(parts.password)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        names = {"X-ClickHouse-User": "mainstay", "X-ClickHouse-Key": self.secret}
        names |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body=body, headers=names, encode_chunked=hasattr(body, "__next__"))  # type: ignore[arg-type]
        reply = self.connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()


@pytest.fixture
def raw(telemetry_server: RunningTelemetry) -> Raw:
    return Raw(telemetry_server.url)


def test_ping_answers_without_credentials(raw: Raw) -> None:
    raw.secret = ""
    assert raw.ask("GET", "/ping")[::2] == (200, b"Ok.\n")


def test_a_query_gives_rows_with_their_types(clickhouse: Client) -> None:
    result = clickhouse.query("SELECT toUInt8(7) AS n, 'ä' AS text, toDateTime64('2026-01-15 12:00:00', 3, 'UTC') AS at, [1, 2] AS list")

    assert result.column_names == ("n", "text", "at", "list")
    assert result.result_rows == [(7, "ä", SEEN, [1, 2])]


def test_parameters_are_bound_by_the_engine_and_never_become_statement_text(clickhouse: Client) -> None:
    hostile = "x'); DROP DATABASE trial; --\t\\"

    result = clickhouse.query(
        "SELECT {text:String}, {list:Array(String)}, {none:Nullable(String)}, {at:DateTime64(3)}",
        parameters={"text": hostile, "list": ["a'b", "c\td"], "none": None, "at": AT},
    )

    assert result.result_rows[0][:3] == (hostile, ["a'b", "c\td"], None)
    assert clickhouse.command("EXISTS DATABASE trial") == 1


@pytest.mark.parametrize("count", [10, 1000])
def test_many_values_are_bound_however_the_client_sends_them(clickhouse: Client, count: int) -> None:
    """Beyond 4096 characters of values the client sends a form in place of an address."""
    numbers = [2**64 - 1 - one for one in range(count)]

    result = clickhouse.query(
        "SELECT length({numbers:Array(UInt64)}), arraySum({numbers:Array(UInt64)}) = 0, {text:String}",
        parameters={"numbers": numbers, "text": "it's; ä\nline"},
        settings={"readonly": 1},
    )

    assert result.result_rows == [(count, 0, "it's; ä\nline")]


@pytest.mark.parametrize(
    "body",
    [
        b"not a form",
        b'--B\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1',
        b'--B\r\nContent-Disposition: form-data; name="query"; filename="x"\r\n\r\nSELECT 1\r\n--B--\r\n',
        b"--B\r\nContent-Disposition: form-data\r\n\r\nSELECT 1\r\n--B--\r\n",
        b'--B\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1\xff\r\n--B--\r\n',
    ],
    ids=["no form", "cut", "a file", "no name", "no text"],
)
def test_a_damaged_form_is_refused(raw: Raw, body: bytes) -> None:
    status, headers, text = raw.ask("POST", "/", body, Content_Type="multipart/form-data; boundary=B")

    assert (status, headers["X-ClickHouse-Exception-Code"]) == (400, "36"), text


def test_rows_inserted_in_native_come_back_byte_for_byte(clickhouse: Client, samples: str) -> None:
    summary = clickhouse.insert(samples, [[1, AT, 0.1, BINARY], [2, AT, float("inf"), ""]], column_names=["tenant", "ts", "value", "note"])

    assert summary.written_rows == 2
    assert clickhouse.query(f"SELECT * FROM {samples} ORDER BY tenant").result_rows == [(1, SEEN, 0.1, BINARY), (2, SEEN, float("inf"), "")]


def test_rows_inserted_in_arrow_come_back_in_arrow(clickhouse: Client, samples: str) -> None:
    table = pa.table(
        {
            "tenant": pa.array([1, 2], pa.uint32()),
            "ts": pa.array([AT, AT], pa.timestamp("ms", "UTC")),
            "value": pa.array([1.5, -2.0]),
            "note": [BINARY, "b"],
        }
    )

    clickhouse.insert_arrow(samples, table)

    back = clickhouse.query_arrow(f"SELECT * FROM {samples} ORDER BY tenant")
    assert back.to_pydict() == table.to_pydict()


def test_a_large_insert_arrives_whole(clickhouse: Client, samples: str) -> None:
    rows = 200_000
    columns = [[1] * rows, [AT] * rows, [float(n) for n in range(rows)], [f"note {n}" for n in range(rows)]]

    clickhouse.insert(samples, columns, column_names=["tenant", "ts", "value", "note"], column_oriented=True)

    assert clickhouse.query(f"SELECT count(), sum(value), uniqExact(note) FROM {samples}").result_rows == [(rows, sum(columns[2]), rows)]


def test_a_repeated_batch_with_its_token_counts_once(clickhouse: Client, samples: str) -> None:
    row = [[1, AT, 1.0, "a"]]
    names = ["tenant", "ts", "value", "note"]
    for token in ("spool-1", "spool-1", "spool-2"):
        clickhouse.insert(samples, row, column_names=names, settings={"insert_deduplication_token": token, "async_insert": 0})

    assert clickhouse.query(f"SELECT count() FROM {samples}").result_rows == [(2,)]


def test_settings_of_one_query_do_not_reach_the_next(clickhouse: Client) -> None:
    assert clickhouse.command("SELECT getSetting('max_threads')", settings={"max_threads": 1}) == 1
    assert clickhouse.command("SELECT getSetting('max_threads')") != 1


def test_readonly_refuses_a_write_and_additional_filters_hide_rows(clickhouse: Client, samples: str) -> None:
    clickhouse.insert(samples, [[1, AT, 1.0, "mine"], [2, AT, 2.0, "foreign"]], column_names=["tenant", "ts", "value", "note"])
    wall = {"readonly": 1, "additional_table_filters": {samples: "tenant = 1"}}

    seen = clickhouse.query(f"SELECT note FROM (SELECT * FROM {samples})", settings=wall).result_rows
    with pytest.raises(DatabaseError, match="Code: 164"):
        clickhouse.command(f"INSERT INTO {samples} SELECT * FROM {samples}", settings=wall)

    assert seen == [("mine",)]
    assert clickhouse.command(f"SELECT count() FROM {samples}") == 2


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT * FROM trial.nowhere", 404, 60),
        ("SELECT 1 FROM", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("selectt", 400, 62),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT nofunction(1)", 404, 46),
        ("SELECT number FROM numbers(1000000) SETTINGS max_result_bytes = 100", 500, 396),
        ("SELECT sleep(3) SETTINGS max_execution_time = 1", 408, 159),
    ],
)
def test_errors_carry_the_code_and_text_of_clickhouse(raw: Raw, sql: str, status: int, code: int) -> None:
    answered, headers, body = raw.ask("POST", "/", sql.encode())

    assert (answered, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_a_query_cannot_take_the_memory_of_the_machine(clickhouse: Client) -> None:
    with pytest.raises(DatabaseError, match="Code: 241"):
        clickhouse.command("SELECT length(groupArray(repeat('x', 1000000))) FROM numbers(100000)")

    assert clickhouse.command("SELECT 1") == 1


def test_an_unknown_setting_and_an_unknown_database_are_refused_by_name(clickhouse: Client, raw: Raw) -> None:
    assert raw.ask("POST", "/?no_such_setting=1", b"SELECT 1")[0] == 404
    status, headers, body = raw.ask("POST", "/?database=nowhere", b"SELECT 1")

    assert (status, headers["X-ClickHouse-Exception-Code"]) == (404, "81")
    assert b"nowhere" in body


@pytest.mark.parametrize(
    "headers", [{"X_ClickHouse_Key": "wrong"}, {"X_ClickHouse_User": "default"}, {"Authorization": "Basic bm9ib2R5Og=="}]
)
def test_without_the_secret_of_this_start_nothing_is_answered(raw: Raw, headers: dict[str, str]) -> None:
    status, answer, _body = raw.ask("POST", "/", b"SELECT 1", **headers)

    assert (status, answer["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_the_secret_is_accepted_as_basic_authentication(raw: Raw) -> None:
    login = b64encode(f"mainstay:{raw.secret}".encode()).decode()

    assert raw.ask("POST", "/", b"SELECT 1", Authorization=f"Basic {login}", X_ClickHouse_Key="")[::2] == (200, b"1\n")


def test_a_get_request_may_read_and_not_write(raw: Raw, samples: str) -> None:
    assert raw.ask("GET", "/?query=" + quote("SELECT 1 AS n FORMAT JSONEachRow"))[2] == b'{"n":1}\n'
    assert raw.ask("GET", "/?query=" + quote(f"TRUNCATE TABLE {samples}"))[1]["X-ClickHouse-Exception-Code"] == "164"


def test_the_reply_says_format_query_and_counts(raw: Raw) -> None:
    _status, headers, body = raw.ask("POST", "/?query_id=q-1&default_format=JSONCompact", b"SELECT number FROM numbers(3)")

    assert json.loads(body)["rows"] == 3
    assert headers["X-ClickHouse-Format"] == "JSONCompact"
    assert headers["X-ClickHouse-Query-Id"] == "q-1"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert json.loads(headers["X-ClickHouse-Summary"])["read_rows"] == "3"


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress), ("lz4", lz4.frame.compress)])
def test_bodies_are_compressed_both_ways(raw: Raw, samples: str, coding: str, pack: object) -> None:
    lines = "".join(f'{{"tenant":1,"ts":"2026-01-15 12:00:00","value":{n},"note":"n"}}\n' for n in range(1000))
    insert = f"INSERT INTO {samples} FORMAT JSONEachRow\n{lines}".encode()

    stored = raw.ask("POST", "/", pack(insert), Content_Encoding=coding)  # type: ignore[operator]
    read = raw.ask("POST", f"/?enable_http_compression=1&query={quote(f'SELECT * FROM {samples}')}", b"", Accept_Encoding=coding)

    assert stored[0] == 200
    assert read[1]["Content-Encoding"] == coding
    opener = {"gzip": gzip.decompress, "zstd": zstd.decompress, "lz4": lz4.frame.decompress}[coding]
    assert opener(read[2]).count(b"\n") == 1000


def test_a_damaged_or_cut_body_is_refused_and_stores_nothing(raw: Raw, samples: str) -> None:
    whole = gzip.compress(f'INSERT INTO {samples} FORMAT JSONEachRow\n{{"tenant":1}}\n'.encode())

    for body, coding in ((whole[:-9], "gzip"), (b"no gzip", "gzip"), (whole, "snappy")):
        assert raw.ask("POST", "/", body, Content_Encoding=coding)[1]["X-ClickHouse-Exception-Code"] == "89"
    assert raw.ask("POST", "/", f"SELECT count() FROM {samples}".encode())[2] == b"0\n"


def test_a_chunked_body_is_read_to_its_end_and_the_connection_goes_on(raw: Raw, samples: str) -> None:
    pieces = iter([f"INSERT INTO {samples} (tenant, note) ".encode(), b"FORMAT CSV\n1,a\n", b"2,b\n"])

    assert raw.ask("POST", "/", pieces, Transfer_Encoding="chunked")[0] == 200
    assert raw.ask("POST", "/", f"SELECT count() FROM {samples}".encode())[2] == b"2\n"


def test_a_statement_in_the_url_takes_its_data_from_the_body(raw: Raw, samples: str) -> None:
    query = quote(f"INSERT INTO {samples} (tenant, note) SETTINGS insert_deduplicate = 0 FORMAT TabSeparated")

    assert raw.ask("POST", f"/?query={query}", b"1\ta;b\n2\tc\n")[0] == 200
    assert raw.ask("POST", "/?query=" + quote(f"INSERT INTO {samples} (tenant) VALUES"), b"(3), (4)")[0] == 200
    assert raw.ask("POST", "/", f"SELECT groupArray(tenant) FROM (SELECT * FROM {samples} ORDER BY tenant)".encode())[2] == b"[1,2,3,4]\n"


def test_a_session_keeps_its_temporary_table_and_is_locked_while_in_use(raw: Raw, telemetry_server: RunningTelemetry) -> None:
    assert raw.ask("POST", "/?session_id=s1", b"CREATE TEMPORARY TABLE kept (n UInt8)")[0] == 200
    assert raw.ask("POST", "/?session_id=s1", b"INSERT INTO kept VALUES (7)")[0] == 200
    assert raw.ask("POST", "/?session_id=s1", b"SELECT n FROM kept")[2] == b"7\n"
    assert raw.ask("POST", "/?session_id=s2", b"SELECT n FROM kept")[1]["X-ClickHouse-Exception-Code"] == "60"

    with ThreadPoolExecutor(2) as both:
        codes = [both.submit(Raw(telemetry_server.url).ask, "POST", "/?session_id=s1", b"SELECT sleep(1)") for _ in range(2)]
    assert sorted(code.result()[0] for code in codes) == [200, 409]


def test_many_clients_at_once_all_get_their_own_answer(telemetry_server: RunningTelemetry, samples: str) -> None:
    def ask(n: int) -> int:
        with telemetry_server.client(autogenerate_session_id=False) as client:
            client.insert(samples, [[n, AT, 1.0, "x"]], column_names=["tenant", "ts", "value", "note"])
            return int(client.command(f"SELECT sum(value) FROM {samples} WHERE tenant = {n}"))

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(24))) == [1] * 24


def test_a_full_queue_says_later_instead_of_growing(telemetry_server: RunningTelemetry) -> None:
    gate = threading.Barrier(90)

    def ask(_n: int) -> int:
        one = Raw(telemetry_server.url)
        gate.wait()
        return one.ask("POST", "/", b"SELECT sleep(0.05)")[0]

    with ThreadPoolExecutor(90) as pool:
        seen = set(pool.map(ask, range(90)))
    assert seen == {200, 503}
