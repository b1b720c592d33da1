"""Classes in endpoints' YAML, right and wrong, with the message that each fault must give."""

LIST_FIX = "List each class once, in the order of the model's score columns"

# Lines that follow the minimal file: the first of them is line 7.
CLASS_LINES = {
    "a positive label that is no class": (
        "classes: [early, late]\npositive_label: lat",
        "8: positive_label: 'lat' is not one of 'classes': early, late. Did you mean 'late'?",
    ),
    "a positive label that nobody stated": (
        "classes: [early, late]",
        (
            "7: classes: do not have the positive label '1', which is the default. "
            "Add 'positive_label', such as 'positive_label: \"late\"'"
        ),
    ),
    "a positive label of another spelling": (
        'classes: [false, true]\npositive_label: "True"',
        "8: positive_label: 'True' is not one of 'classes': 0, 1. Write it as in 'classes': '1'",
    ),
    "one class": ("classes: [1]", f"7: classes: lists 1 class(es), and a classification has at least 2. {LIST_FIX}"),
    "a class twice": ('classes: [0, 1, "true"]', f"7: classes: lists the class 'true' twice. {LIST_FIX}"),
    "an output of a classification": (
        "output: high",
        "7: output: is for a regression that answers several values a row. Remove it, or correct 'task'",
    ),
    "three classes of a binary classification": (
        "classes: [0, 1, 2]",
        "7: classes: lists 3 classes. List two, or write 'task: multiclass'",
    ),
    "what YAML takes for a boolean": (
        "classes: [no, 1]",
        '7: classes[0]: must be text, but is a yes or no (no). Quote it: "no"',
    ),
    "a class that is a list": ("classes: [[a], 1]", "7: classes[0]: must be text, but is a list. Write a text"),
    "classes that are no list": (
        "classes: late",
        "7: classes: must be a list, but is text (late). Write [ ] around the items, or '- ' before each item",
    ),
}
CLASSES = {
    "classes: [0, 1]": ("0", "1"),
    "classes: [false, True]": ("0", "1"),
    "classes: [1.0, 0.5]": ("1", "0.5"),
    'classes: ["no", "1"]': ("no", "1"),
    "classes: [9007199254740993, 1]": ("9007199254740993", "1"),
}
