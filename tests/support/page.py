"""The commands of a page, as they are printed, for a test that walks it.

What stands behind a command, after `    # `, is what its output has once the step has worked: words and their
blanks, of which there may be more, parts divided by `, `. Such a command is a look: it is repeated until so."""

import pathlib
import re
import shlex

from verdict import Failed

LOOK = re.compile(r"(\S.*?) {4,}# (.+)")
PATIENCE_S = 120
PATIENCE = pathlib.Path(__file__).resolve().parent / "patience.sh"

PRELUDE = """
. %s
look() { # WORDS COMMAND
    local told
    within %d tells "$@" && return
    { is_late %d "$2: $1; at last: $told" || exit 75; } >&2
}
tells() { # WORDS COMMAND
    local part
    told=$(bash -c "$2" 2>&1) || true # as status does, where it warns
    while read -r part; do
        tr -s ' ' <<<"$told" | grep -F -e "$part" >/dev/null || return
    done < <(sed 's/, /\\n/g' <<<"$1")
}
"""


def section(path, title):
    """What is below a heading, to the next one of its rank or above it."""
    lines, rank, is_block = [], None, False
    for line in path.read_text().splitlines(True):
        is_block ^= line.startswith("```")
        heading = re.match(r"(#+) (.*)", line) if not is_block else None
        if heading and rank and len(heading[1]) <= rank:
            break
        if rank:
            lines.append(line)
        elif heading and heading[2] == title:
            rank = len(heading[1])
    return "".join(lines)


def blocks(text, mark="sh"):
    return re.findall(rf"^```{mark}\n(.*?)^```", text, re.M | re.S)


def script(block):
    """A block for `bash -euo pipefail -c`, which exits with 75 if a look was in vain."""
    lines = [f"look {shlex.quote(found[2])} {shlex.quote(found[1])}" if (found := LOOK.fullmatch(line)) else line
             for line in block.splitlines()]
    return PRELUDE % (shlex.quote(str(PATIENCE)), PATIENCE_S, PATIENCE_S) + "\n".join(lines)


class Walk:
    """The blocks of a section, in their order, each of them once."""

    def __init__(self, text):
        self.left = blocks(text)

    def next(self, words):
        """The next block, which is the one that has these words."""
        block = self.left.pop(0) if self.left else ""
        if words not in block:
            raise Failed(f"the next block of the page has no '{words}':\n{block}")
        return block

    def end(self):
        if self.left:
            raise Failed(f"nobody has walked:\n{self.left[0]}")
