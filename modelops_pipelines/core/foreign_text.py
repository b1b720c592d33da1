"""What a model, a trainer or a library says, in a form that may be shown: in the log, an answer, an alert, a table.

Such text may hold any value of the rows that the code was given, in any form: in quotes, in part, reversed, from an
earlier call. So it is not searched for values. Only words are kept that the code says of itself: words of the sentences
that are written in the functions that were running, and COMMON ones. What is cut is shown as CUT. Where the rows are at
hand, words that occur in them are cut as well. Every text is bounded.
"""

import builtins
import linecache
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import CodeType, FrameType, TracebackType

from modelops_pipelines.core.errors import ModelOpsError

CUT = "…"
LONGEST = 500
"""The most characters of one text; of a traceback it is LONGEST_TRACE."""
LONGEST_TRACE = 8000
ENDING = (SystemExit, KeyboardInterrupt, MemoryError, RecursionError)
"""What foreign code raises when it means to end its process, or has used up its memory or stack."""
_READ = 4000  # characters of a text that are looked at
_FIRST_FRAMES, _LAST_FRAMES = 5, 15
_CHAIN = 5
_SHORTEST = 3  # letters: shorter words may be values, as F or NY
_ENCLOSED = re.compile(r"['\"`\[\](){}<>=]")
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]{1,2}\b)?")  # with its 's or n't
_OWN_CODE = __file__.removesuffix("core/foreign_text.py")
COMMON = frozenset(
    _WORD.findall("""
    a all allowed already an and any are argument arguments array arrays as at attribute axis base be between binder
    bool by call called can cannot catalog column columns contains convert could data decode dimension dimensions
    division does dtype empty encode error expected failed false feature features file float for found from function
    generator given got has have if in index indices infinity input inputs int integer invalid is it iterable key
    keyword label length list literal match memory method mismatch missing model module most must name names nan
    negative no none not null number object of on one operand operands operation or out output permission range
    referenced required row rows sample samples sequence shape shapes should size string subscriptable supported
    syntax table than that the them there this to too true type types unexpected unhashable unknown unsupported
    value values was were when while with without zero
    """)
)
"""Words of the interpreter's own errors, which no Python code says."""


class QuotedError(Exception):
    """What foreign code raised in another process: its text has gone through this module there."""


def error_text(error: BaseException, rows: Iterable[object] = ()) -> str:
    """Return an exception's type and what may be shown of its text, on one line.

    An error of ours is shown whole: it is raised by our code, and quotes what it must.
    """
    if isinstance(error, QuotedError) or is_ours(error):
        return _bounded(_one_line(_text_of(error)), LONGEST)
    name = type_name(error)
    text = shown(_text_of(error), _words_of_trace(error), rows)
    return f"{name}: {text}" if text else name


def quoted(error: BaseException, rows: Iterable[object] = ()) -> QuotedError:
    """Return what an exception may be replaced by as a cause: who shows causes whole shows this one."""
    return QuotedError(error_trace(error, rows))


def error_trace(error: BaseException, rows: Iterable[object] = ()) -> str:
    """Return a traceback with its causes, outermost last, as ``traceback`` writes it, with their texts as above."""
    given = list(rows)
    parts = [_trace_of(one, given) for one in reversed(list(_chain(error)))]
    return _bounded("\n\nThe exception above led to this one:\n\n".join(parts), LONGEST_TRACE)


def shown(text: str, own_words: Iterable[str], rows: Iterable[object] = ()) -> str:
    """Return what may be shown of a foreign text, on one line: words that are among ``own_words`` or COMMON."""
    allowed, values = frozenset(own_words), _words_of_values(rows)
    kept = [token if _is_own(token, allowed, values) else CUT for token in text[:_READ].split()]
    merged = [token for n, token in enumerate(kept) if token != CUT or n == 0 or kept[n - 1] != CUT]
    return "" if merged == [CUT] else _bounded(" ".join(merged), LONGEST)


def words_of_stack() -> frozenset[str]:
    """Return the words of the code that is running now: of all functions that called this one."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - how a running function is found
    found: set[str] = set()
    while frame is not None:
        found |= _words_of(frame.f_code)
        frame = frame.f_back
    return frozenset(found)


def type_name(error: BaseException) -> str:
    """Return the name of an exception's type; ``Exception`` for one that no module has, and that anything may name."""
    kind = type(error)
    if getattr(builtins, kind.__name__, None) is kind:
        return str(kind.__name__)
    found: object = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return _bounded(kind.__name__, 100) if found is kind else "Exception"


def module_name(name: str) -> str:
    """Return the longest beginning of a logger's name that is a module's; a name that is none may be anything."""
    while name and name not in sys.modules and name not in ("root", "py.warnings"):
        name = name.rpartition(".")[0]
    return name or CUT


def is_ours(error: BaseException) -> bool:
    """Return whether this is an error of ours that our code raised: a model's code may raise one too."""
    return isinstance(error, ModelOpsError) and all(is_own_code(code.co_filename) for code in _last_code(error))


def is_own_code(file: str) -> bool:
    """Return whether a file of code is this package's."""
    return file.startswith(_OWN_CODE)


def _last_code(error: BaseException) -> list[CodeType]:
    """Return the function that raised an error; nothing for one that was not raised."""
    return [trace.tb_frame.f_code for trace in _traces(error)][-1:]


def _traces(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    for _ in range(_CHAIN):
        if one is None:
            return
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _trace_of(error: BaseException, rows: list[object]) -> str:
    if isinstance(error, QuotedError):
        return _text_of(error)
    places = list(_places(error))
    if len(places) > _FIRST_FRAMES + _LAST_FRAMES:
        left_out = f"  ... {len(places) - _FIRST_FRAMES - _LAST_FRAMES} more"
        places = [*places[:_FIRST_FRAMES], left_out, *places[-_LAST_FRAMES:]]
    return "\n".join(["Traceback (most recent call last):", *places, error_text(error, rows)])


def _places(error: BaseException) -> Iterator[str]:
    """Yield file, line and source of each frame; a frame without a file of source may be named after anything."""
    for trace in _traces(error):
        code = trace.tb_frame.f_code
        line = linecache.getline(code.co_filename, trace.tb_lineno).strip()[:200]
        yield f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n    {line}' if line else "  ..."


def _words_of_trace(error: BaseException) -> frozenset[str]:
    """Return the words of the code that an exception went through, and of what it was raised in place of."""
    traces = (trace for one in _chain(error) for trace in _traces(one))
    return frozenset[str]().union(*(_words_of(trace.tb_frame.f_code) for trace in traces))


@lru_cache(maxsize=4096)
def _words_of(code: CodeType) -> frozenset[str]:
    """Return the words of the sentences in a function: one word alone may be a category that it compares with."""
    return frozenset(
        word.casefold()
        for constant in _texts(code.co_consts)
        if len(constant.split()) > 1 or constant != constant.strip()
        for word in _WORD.findall(constant)
    )


def _texts(constants: Iterable[object]) -> Iterator[str]:
    for one in constants:
        if isinstance(one, str):
            yield one
        elif isinstance(one, CodeType):
            yield from _texts(one.co_consts)


def _is_own(token: str, allowed: frozenset[str], values: frozenset[str]) -> bool:
    """Return whether all words of a token are the code's; in quotes or brackets, a COMMON one may be a value."""
    words = [word.casefold() for word in _WORD.findall(token)]
    odd = any(letter.isdigit() or letter in "_\\/@" or not letter.isprintable() for letter in token)
    common = frozenset() if _ENCLOSED.search(_WORD.sub("", token)) else COMMON
    return bool(words and not odd) and all(
        word in common or (len(word) >= _SHORTEST and word in allowed and word not in values) for word in words
    )


def _words_of_values(rows: Iterable[object]) -> frozenset[str]:
    """Return the words in the text of some rows: of columns, lists of values, or values."""
    found: set[str] = set()
    for one in rows:
        if isinstance(one, str):
            found |= {word.casefold() for word in _WORD.findall(one)}
        elif isinstance(one, bytes):
            found |= _words_of_values([one.decode(errors="replace")])
        elif isinstance(one, Mapping):
            found |= _words_of_values([*one.values(), *one])
        elif isinstance(one, Iterable):
            found |= _words_of_values(one)
    return frozenset(found)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception of foreign code may fail when it is shown
        return ""


def _one_line(text: str) -> str:
    return " ".join(text[:_READ].split())


def _bounded(text: str, most: int) -> str:
    clean = text.encode(errors="replace").decode()
    return clean if len(clean) <= most else clean[: most - 1] + CUT
