"""The strings of the product, and a made-up language that shows which of them people would miss in their own.

Owns: finding what templates hand to gettext and what they do not; writing a compiled catalogue without tools of the system.
Does not own: translations. `python tools/pseudo_locale.py FOLDER` writes FOLDER/eo/LC_MESSAGES/django.mo.
"""

import ast
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from django.utils.translation.template import templatize

SOURCE = Path(__file__).resolve().parents[1] / "src" / "mainstay"
OPEN, CLOSE = "⟦", "⟧"
_ACCENTED = str.maketrans("AEIOUaeiouncsyz", "ÀÉÎÕÛàéîõûñçšýž")

# What is the same in every language.
SAME = frozenset({"Mainstay", "CSV", "JSON", "UTC", "MB", "OpenAPI", "PDF"})
_TEMPLATE_PART = r"{%.*?%}|{{.*?}}|{#.*?#}"
_TAG = r"<(?:[^<>{]|" + _TEMPLATE_PART + r"|{(?![%{#]))*>"
_TOKEN = re.compile(f"({_TEMPLATE_PART}|<!--.*?-->|{_TAG})", re.DOTALL)
_ATTRIBUTE = re.compile(r'(?<=\s)([\w:-]+)="((?:[^"{]|' + _TEMPLATE_PART + r'|{(?![%{#]))*)"', re.DOTALL)
_READ_ALOUD = frozenset({"aria-label", "placeholder", "title", "alt"})
_OF_COMPONENTS = _READ_ALOUD | {"label", "text", "word", "confirm", "why"}
_UNSPOKEN = frozenset({"code", "kbd", "pre", "script", "style"})
_LETTERS = re.compile(r"[A-Za-z]{2}")
# A text that a filter puts in the place of a value.
_INSTEAD = re.compile(r"""\|(?:default|default_if_none|yesno):["']([^"']*[A-Za-z]{2}[ ,.][^"']*)["']""")
_HANDED_OVER = re.compile(
    r"(?:\b_|\bn?gettext)\(\s*u?((?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))(?:,\s*u?((?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")))?"
)


def templates() -> list[Path]:
    """Return every template of the product."""
    return sorted(SOURCE.glob("**/templates/**/*.html"))


def messages(paths: Iterable[Path]) -> dict[str, str]:
    """Return what templates hand to gettext: each text, with its plural where it has one."""
    found: dict[str, str] = {}
    for path in paths:
        for one, many in _HANDED_OVER.findall(templatize(path.read_text(encoding="utf-8"))):
            found[ast.literal_eval(one)] = ast.literal_eval(many) if many else ""
    return found


def bare(source: str) -> list[str]:
    """Return the texts of a template that people read or hear and that no translation would reach."""
    return list(_bare(source))


def _bare(source: str) -> Iterator[str]:
    silent, handed = 0, False
    for token in _TOKEN.split(source):
        if not _TOKEN.fullmatch(token):
            if not silent and not handed and _speaks(token):
                yield token.strip()
        elif token.startswith("{{"):
            yield from _INSTEAD.findall(token)
        elif token.startswith("{%"):
            handed = _is_handed(token, handed)
        elif token.startswith("<") and not token.startswith("<!"):
            silent += _silence(token)
            yield from () if silent or handed else _bare_attributes(token)


def _is_handed(token: str, handed: bool) -> bool:
    if re.match(r"{%\s*(blocktranslate|comment|verbatim)", token):
        return True
    return handed and not re.match(r"{%\s*(endblocktranslate|endcomment|endverbatim)", token)


def _silence(token: str) -> int:
    name = re.match(r"<(/?)([\w.-]+)", token)
    if name is None or name[2] not in _UNSPOKEN or token.endswith("/>"):
        return 0
    return -1 if name[1] else 1


def _bare_attributes(token: str) -> Iterator[str]:
    spoken = _OF_COMPONENTS if token.startswith("<c-ms") else _READ_ALOUD
    for name, value in _ATTRIBUTE.findall(token):
        if name in spoken and _speaks(_without_translated(value)):
            yield f'{name}="{value}"'


def _without_translated(value: str) -> str:
    return re.sub(r"{%\s*blocktranslate.*?{%\s*endblocktranslate\s*%}", "", value, flags=re.DOTALL)


def _speaks(text: str) -> bool:
    words = re.sub(_TEMPLATE_PART + r"|&#?\w+;", "", text, flags=re.DOTALL).strip()
    return bool(_LETTERS.search(words)) and words not in SAME


def pseudo(text: str) -> str:
    """Return a text that can be read, is longer, and is plainly no English; placeholders and marks stay as they are."""
    parts = re.split(r"(%\(\w+\)[sd]|%[sd]|&#?\w+;|<[^>]*>)", text)
    said = "".join(part if index % 2 else part.translate(_ACCENTED) for index, part in enumerate(parts))
    return f"{OPEN}{said}{'·' * max(1, len(text) // 4)}{CLOSE}"


def catalogue(texts: Mapping[str, str]) -> bytes:
    """Return a compiled catalogue (the .mo format of GNU gettext) of the pseudo-locale."""
    entries = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n"}
    for one, many in texts.items():
        entries[f"{one}\0{many}" if many else one] = f"{pseudo(one)}\0{pseudo(many)}" if many else pseudo(one)
    return _compiled({key.encode(): value.encode() for key, value in entries.items()})


def _compiled(entries: Mapping[bytes, bytes]) -> bytes:
    keys = sorted(entries)
    count, head = len(keys), 28
    text_at = head + 16 * count
    texts = b"".join(key + b"\0" for key in keys) + b"".join(entries[key] + b"\0" for key in keys)
    table, at = [], text_at
    for one in (*keys, *(entries[key] for key in keys)):
        table += [len(one), at]
        at += len(one) + 1
    return struct.pack("<7I", 0x950412DE, 0, count, head, head + 8 * count, 0, head) + struct.pack(f"<{len(table)}I", *table) + texts


def write(folder: Path, language: str = "eo", more: Iterable[str] = ()) -> Path:
    """Write the catalogue of every template, and of more texts, below a folder. Returns the file."""
    file = folder / language / "LC_MESSAGES" / "django.mo"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(catalogue({**messages(templates()), **dict.fromkeys(more, "")}))
    return file


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
