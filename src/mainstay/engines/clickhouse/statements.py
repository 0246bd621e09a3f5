"""What must be known of a statement before the engine sees it. Pure text, no engine.

Owns: one statement only, reading or writing, its output format, and where the data of an INSERT begin.
Does not own: whether the statement is right (the engine says). Invariant: a quote, comment or bracket never hides a semicolon.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mainstay.engines.clickhouse.errors import SYNTAX_ERROR, refusal

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[! ][^\n]*|/\*.*?\*/)
      | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_READING = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK"}


@dataclass(frozen=True)
class Token:
    """A word or sign outside quotes and comments. `depth` counts the brackets around it."""

    text: str
    start: int
    end: int
    depth: int

    @property
    def word(self) -> str:
        return self.text.upper()


@dataclass(frozen=True)
class DataInsert:
    """An INSERT whose data follow its text."""

    head: str
    settings: str
    format: str

    def reading_from(self, path: str) -> str:
        """Return the statement that takes its data from a file."""
        return f"{self.head} FROM INFILE '{path}' {self.settings} FORMAT {self.format}"


def tokens(sql: str) -> Iterator[Token]:
    """Yield words, quoted parts and signs in order; spaces and comments are left out."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "space" or match.group("space") is not None:
            continue
        text = match.group()
        depth -= text in ")]}"
        yield Token(text, match.start(), match.end(), depth)
        depth += text in "([{"


def is_reading(sql: str) -> bool:
    """Tell whether the statement belongs into a read lane."""
    first = next((token for token in tokens(sql) if token.text != "("), None)
    return first is not None and first.word in _READING


def single(sql: str) -> str:
    """Return the statement without its closing semicolon. Errors: code 62 for a second statement."""
    found = list(tokens(sql))
    for index, token in enumerate(found):
        if token.text == ";":
            if any(later.text != ";" for later in found[index + 1 :]):
                raise refusal(
                    SYNTAX_ERROR, "SYNTAX_ERROR", f"Syntax error: failed at position {token.end + 1}: multi-statements are not allowed"
                )
            return sql[: token.start]
    return sql


def output_format(sql: str, default: str) -> str:
    """Return the format that the statement names at its end, else the default."""
    found = [token for token in tokens(sql) if token.depth == 0]
    for before, token in zip(reversed(found[:-1]), reversed(found[1:]), strict=True):
        if before.word == "FORMAT" and re.fullmatch(r"\w+", token.text):
            return token.text
    return default


def data_insert(text: str) -> tuple[DataInsert, int] | None:
    """Find `INSERT INTO ... FORMAT Name` at the start of `text` and the place where its data begin; None for anything else.

    The data begin after the format's name, further spaces and at most one line end, as in ClickHouse: what follows may be binary.
    """
    seen: list[Token] = []
    for token in tokens(text):
        top = token.depth == 0
        if not seen and token.word != "INSERT":
            return None
        if top and token.word in {"SELECT", "WITH", "VALUES", "INFILE"}:
            return None
        if seen and seen[-1].word == "FORMAT" and seen[-1].depth == 0 and re.fullmatch(r"[A-Za-z]\w*", token.text):
            return _split(text, seen, token)
        seen.append(token)
    return None


def _split(text: str, seen: list[Token], name: Token) -> tuple[DataInsert, int]:
    settings = next((token.start for token in seen if token.depth == 0 and token.word == "SETTINGS"), seen[-1].start)
    end = re.compile(r"[ \t\r]*;?[ \t\r]*\n?").match(text, name.end)
    begin = end.end() if end else name.end
    return DataInsert(text[:settings].rstrip(), text[settings : seen[-1].start].strip(), name.text), begin
