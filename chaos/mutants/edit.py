"""The edits that make mutants of the sources: chaos/mutants/edits, read and applied.

    src/core/decide/expiry.c               the source that the edits below it are of
    @@                                     begins an edit; all of a source are applied at once
    -    return ttl_ns + margin_ns;        a line that is there, and is not in the mutated source
    +    return ttl_ns + (BW_MUTANT(MARGIN) ? 0 : margin_ns);      a line that is only there
     }                                     a line around them, as it is in both

The lines with `-` and ` ` must be found exactly once in the source, in this order and whole. Blank
lines between edits mean nothing; within one they are lines as well. # begins a comment.
"""

import re

USE = re.compile(r"\bBW_MUTANT\((\w+)\)")
FOLDER = "chaos/mutants/edits/"
SOURCE = re.compile(r"(src|chaos/sim)/\S+\.c$")


class Edit:
    def __init__(self, path, file, number):
        self.path, self.file, self.number = path, file, number  # the source, and where the edit is
        self.lines = []

    def names(self):
        return {name for line in self.lines if line[:1] == "+" for name in USE.findall(line)}

    def before(self):
        return [line[1:] for line in self.lines if line[:1] != "+"]

    def after(self):
        return [line[1:] for line in self.lines if line[:1] != "-"]

    def around(self):
        """How many lines stay as they are, at the beginning and at the end."""
        marks = [line[:1] in ("-", "+") for line in self.lines]
        return marks.index(True), marks[::-1].index(True)

    def complaint(self, text):
        return self.file, self.number, text


def read(file, lines):
    """The edits of a file, and [(file, line, what is wrong)]."""
    edits, wrong = [], []
    path, edit = None, None
    for number, line in enumerate(lines, 1):
        if line == "@@" and path:
            edit = Edit(path, file, number)
            edits.append(edit)
        elif line[:1] in (" ", "+", "-", "") and edit:
            edit.lines.append(line)
        elif SOURCE.match(line):
            path, edit = line, None
        elif line.strip() and not line.startswith("#"):
            wrong.append((file, number, f"'{line}' is no source, no edit and no line of one"))
    for edit in edits:
        while edit.lines and not edit.lines[-1].strip():
            edit.lines.pop()
        if not edit.names():
            wrong.append(edit.complaint("no line of this edit adds BW_MUTANT(NAME)"))
        elif not edit.before():
            wrong.append(edit.complaint("there is no line to find it by"))
    return [edit for edit in edits if edit.names() and edit.before()], wrong


def find(lines, edit):
    """Where it begins to change the source, and where that ends; or None, and what is wrong."""
    before = edit.before()
    found = [at for at in range(len(lines) - len(before) + 1)
             if lines[at] == before[0] and lines[at:at + len(before)] == before]
    if len(found) != 1:
        first = next((line for line in edit.lines if line.startswith("-")), edit.lines[0])
        why = f" (lines {', '.join(str(at + 1) for at in found)}): name lines around it" if found \
            else ": it has changed or moved, and so must this edit"
        return None, f"matches {len(found)} times in {edit.path}, not once{why}: `{first[1:].strip()}`"
    head, tail = edit.around()
    return (found[0] + head, found[0] + len(before) - tail), None


def apply(lines, edits):
    """The source with all of its edits, and [(file, line, what is wrong)]."""
    wrong, places = [], []
    for edit in edits:
        place, why = find(lines, edit)
        if place:
            places.append((place, edit))
        else:
            wrong.append(edit.complaint(why))
    places.sort(key=lambda one: one[0])
    for (one, _), (other, edit) in zip(places, places[1:]):
        if other[0] < one[1] or other == one:
            wrong.append(edit.complaint(f"changes what another edit of {edit.path} changes: "
                                        "make one of them"))
    for (begin, end), edit in reversed(places):
        head, tail = edit.around()
        after = edit.after()
        lines = lines[:begin] + after[head:len(after) - tail] + lines[end:]
    return lines, wrong


def apply_all(files, source):
    """`files`: {name: lines}, `source`: the lines of the source of that path, or None. All edits,
    {path: the lines of the mutated source}, and [(file, line, what is wrong)]."""
    edits, mutated, wrong = [], {}, []
    for file, lines in sorted(files.items()):
        found, complaints = read(file, lines)
        edits += found
        wrong += complaints
    for path in sorted({edit.path for edit in edits}):
        own = [edit for edit in edits if edit.path == path]
        lines = source(path)
        if lines is None:
            wrong.append(own[0].complaint(f"there is no {path}"))
            continue
        mutated[path], complaints = apply(lines, own)
        wrong += complaints
    return edits, mutated, wrong
