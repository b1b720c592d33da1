"""Numbers as people read them in messages: few digits, and large ones without an exponent."""

_LARGE, _MILLION, _HUGE = 1e4, 1e6, 1e15


def number_text(number: float) -> str:
    """Return a number for people: four digits, and large ones without an exponent."""
    return f"{number:.0f}" if _LARGE <= abs(number) < _HUGE else f"{number:.4g}"


def limit_text(number: float) -> str:
    """Return a threshold for people: six digits, and large ones without an exponent."""
    return f"{number:.0f}" if _MILLION <= abs(number) < _HUGE else f"{number:g}"
