"""Names of classes: one text for each class, in whatever type a model, a label or a column gives it."""


def class_name(value: object) -> str:
    """Return a class as text: 1, 1.0 and True are '1', so that labels of any type match."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
