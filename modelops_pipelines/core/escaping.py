"""Text of others' (categories, users, reasons, comments, errors), written so that no destination acts on it.

HTML is escaped by Jinja and ``html.escape`` where it is made; SVG by ``operations.reports.svg``. SQL gets parameters.
"""

import re

_MARKDOWN = re.compile(r"[\\`*{}\[\]()#!|~<>&@$^]|:(?=/)|(?i:(?<=www))\.|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_ESCAPED_FORMULA = re.compile(r"'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)


def visible(text: str, kept: str = "") -> str:
    r"""Return text in which every character that is not printed is written out, as ``\x1b``; those ``kept`` stay.

    So a terminal, or a viewer of a log, neither obeys it (colours, cursor, title) nor reorders or hides letters.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else _written_out(one) for one in text)


def visible_json(line: str) -> str:
    r"""Return JSON with every character that is not printed as ``\u001b``: the same JSON."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else _units(one) for one in line)


def markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, also in a table's cell: no image, link, HTML or markup."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", visible(" ".join(text.split())))


def csv_text(text: str) -> str:
    """Return a text for a cell of a CSV file that a spreadsheet takes for no formula; a number stays as it is."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_csv_text(cell: str) -> str:
    """Return the text of a cell that ``csv_text`` wrote."""
    return cell[1:] if _ESCAPED_FORMULA.match(cell) else cell


def _written_out(one: str) -> str:
    code = ord(one)
    if code <= 0xFF:  # noqa: PLR2004 - two hexadecimal digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - four digits


def _units(one: str) -> str:
    """Return a character as JSON's escapes: beyond 16 bits, two."""
    pairs = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[at : at + 2].hex()}" for at in range(0, len(pairs), 2))
