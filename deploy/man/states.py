"""The tables of states in the core, as a page: each state with its moves, in the order of the states."""

import re

SITE = "src/core/site/states.h"
OF = re.compile(r"\bBW_\w+_OF(?:_2)?\(([A-Z_, ]+)\)")


def flat(text):
    """Without comments and without line breaks of macros."""
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL).replace("\\\n", " ")


class Sources:
    def __init__(self, root):
        self.root = root

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8")

    def macro(self, path, name):
        """The body of a macro, on one line."""
        found = re.search(rf"#define {name}(?:\([^)]*\))?((?:.*\\\n)*.*)", self.text(path))
        if not found:
            raise SystemExit(f"{path}: no {name} found")
        return flat(found[1])

    def names(self, header, name):
        return re.findall(r"\bX\((\w+)", self.macro(f"include/breakwater/core/{header}", name))


def split(row):
    """The arguments of a row; commas in brackets and strings are no border."""
    out, depth, quoted = [""], 0, False
    for sign in row:
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign == "(") - (sign == ")")
        if sign == "," and not depth and not quoted:
            out.append("")
        else:
            out[-1] += sign
    return [one.strip() for one in out]


def rows(body, name):
    """The arguments of each NAME(...) of a list."""
    at = 0
    while found := re.compile(rf"\b{name}\(").search(body, at):
        depth, at = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(body[at], 0)
            at += 1
        yield split(body[found.end():at - 1])


def table(title, states, moves, columns):
    """moves: (from states, event, to, ...) in the order of the source; states: in the order of the type."""
    out = ["", f"## {title}", "", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    known = [state for state in states if any(state in move[0] for move in moves)]
    for state in known:
        out += ["| " + " | ".join([state, *move[1:]]) + " |" for move in moves if state in move[0]]
    return out


def diagram(states, moves):
    """One line for each pair of states: what leads from one to the other."""
    out = ["", "```mermaid", "stateDiagram-v2"]
    for state in states:
        ways = {}
        for froms, event, to, *_ in moves:
            if state in froms and to != state:
                ways.setdefault(to, []).append(event)
        out += [f"    {state} --> {to}: {', '.join(events)}" for to, events in ways.items()]
    return out + ["```"]


def group(sources):
    lines = sources.text("tests/golden/group_table.txt").splitlines()
    moves = []
    for line in lines[1:]:
        rule, phase, command, to, requires, effect, _ = line.split(None, 6)
        moves.append(((phase,), command, to, f"`{requires}`, `{effect}`", rule))
    phases = sources.names("group.h", "BW_PHASE_LIST")
    return [*table("The table of a group (group/group.c)", phases, moves, ["phase", "command", "to", "requires, effect", "rule"]),
            *diagram(phases, moves)]


def sets_of_site(sources):
    text = sources.text(SITE)
    return {name: flat(body) for name, body in re.findall(r"#define (BW_TENURE_[A-Z]+)((?:[^\n]*\\\n)*[^\n]*)", text)
            if name in ("BW_TENURE_HOLDING", "BW_TENURE_ENDABLE", "BW_TENURE_OPEN")}


def site_states(text, sets, states, prefix):
    """The states that an expression of bits names."""
    if "OF_ANY" in text:
        return tuple(states)
    for name, body in list(sets.items()) * 2:
        text = re.sub(rf"\b{name}\b", lambda _, body=body: body, text)
    named = [one.strip() for found in OF.findall(text) for one in found.split(",")]
    return tuple(one.removeprefix(prefix) for one in named)


def site(sources):
    text = sources.text(SITE)
    headings = dict((name, heading.strip()) for heading, name in re.findall(
        r"/\* ---- (.+?)(?:: X\(.*?\))? ---- \*/\s*#define BW_SITE_(\w+)_ROWS", text))
    sets, out = sets_of_site(sources), []
    for name, _, kind, prefix in rows(sources.macro(SITE, "BW_SITE_TABLE_LIST"), "T"):
        header = "".join(sources.text(f"include/breakwater/core/{header}") for header in ("site.h", "report.h"))
        body = flat(re.search(rf"enum {kind} \{{(.*?)\}}", header, re.DOTALL)[1])
        listed = re.search(r"(BW_\w+_LIST)\(X\)", body)
        states = sources.names("site.h", listed[1]) if listed else re.findall(rf"\b{prefix}_([A-Z_]+)", body)
        moves = [(site_states(row[1], sets, states, "" if name in ("TENURE", "REMOTE_FENCE") else f"{name}_"),
                  row[2], row[3], row[4].strip('"')) for row in rows(sources.macro(SITE, f"BW_SITE_{name}_ROWS"), "X")]
        out += table(f"The site: {headings[name].strip('. ')}: `{kind.removeprefix('bw_')}` (site/states.h)", states, moves,
                     ["state", "event", "to", "why"])
        if name == "TENURE":
            out += diagram(states, moves)
    return out


def next_actions(sources, title, path, header, name):
    body = flat(sources.text(path).partition("static const struct bw_site_row rows[] = {")[2].partition("};")[0])
    moves = []
    for found in re.finditer(r"\b(RULE|ROW)\(([^()]*)\)", body):
        cells = split(found[2])
        rule = cells.pop(0) if found[1] == "RULE" else ""
        state, requires, effect = (cell.removeprefix("bw_site_") for cell in cells)
        moves.append(((state,), f"`{requires}`", f"`{effect}`", rule))
    return table(title, sources.names(header, name), moves, ["state", "first that holds", "then", "rule"])


def moves_of(sources, title, path, macro, header, name):
    moves = [((row[0],), row[1], row[2]) for row in rows(sources.macro(path, macro), "X")]
    states = sources.names(header, name)
    return [*table(title, states, moves, ["state", "event", "to"]), *diagram(states, moves)]


def fence(sources):
    path = "src/core/guard/fence.c"
    text = flat(sources.text(path))
    states = sources.names("guard.h", "BW_FENCE_STATE_LIST")
    short = {name: re.findall(r"BIT\((\w+)\)", body) for name, body in re.findall(r"#define (SOFT|SEEKING|OVER)(.*)", text)}

    def named(expression):
        if "ANY" in expression:
            return tuple(states)
        return tuple(one for word in re.findall(r"\w+", expression.replace("BIT", ""))
                     for one in short.get(word, [word]))
    moves = [(named(froms), event, to, f"`{effect}`", rule)
             for rule, froms, event, to, effect in rows(sources.macro(path, "FENCE_RULES"), "X")]
    moves += [(named(froms), event, to, f"`{effect}`", "") for froms, event, to, effect in
              re.findall(r"\{NULL, ([^,]*), EVENT_(\w+), TO_(\w+), (\w+)\}", text)]
    moves = [(froms, event, "(the same)" if to == "SAME" else to, *rest) for froms, event, to, *rest in moves]
    drawn = [move for move in moves if move[2] != "(the same)" and len(move[0]) < len(states)]
    return [*table("The guard: a fence (guard/fence.c)", states, moves, ["state", "event", "to", "effect", "rule"]),
            *diagram(states, drawn)]


def pairs(sources, title, path, prefix):
    """A table that says only into which states each may go; its rows are in the order of the states."""
    text = flat(sources.text(path))
    moves = [((state,), ", ".join(re.findall(r"TO\((\w+)\)", bits)))
             for state, bits in re.findall(rf"\[{prefix}_(\w+)\] = ([^,]*),", text)]
    if not moves:
        raise SystemExit(f"{path}: no table of {prefix} found")
    return table(title, [state for (state,), _ in moves], moves, ["state", "may go to"])


def page(root):
    sources = Sources(root)
    out = [*group(sources), *site(sources),
           *next_actions(sources, "The site: the next action of a tenure (site/orders.c)", "src/core/site/orders.c",
                         "site.h", "BW_TENURE_LIST"),
           *next_actions(sources, "The site: the next action of a manual lease (site/overriding.c)",
                         "src/core/site/overriding.c", "override.h", "BW_OVERRIDE_LIST"),
           *moves_of(sources, "The guard: a run of a script (guard/ask.c)", "src/core/guard/ask.c", "SLOT_MOVES", "guard.h",
                     "BW_SLOT_STATE_LIST"),
           *moves_of(sources, "The guard: a stop (guard/ask.c)", "src/core/guard/ask.c", "STOP_MOVES", "guard.h",
                     "BW_GUARD_STOP_LIST"),
           *fence(sources),
           *pairs(sources, "The guard: what a KILL of a fence has left (guard/fence.c)", "src/core/guard/fence.c", "BW_FENCE_REACH"),
           *pairs(sources, "The agent's own fence (site/own_fence.c)", "src/core/site/own_fence.c", "BW_OWN_FENCE"),
           *pairs(sources, "The enforcer: a deadline (lease/enforcer.c)", "src/core/lease/enforcer.c", "BW_ENFORCER"),
           *pairs(sources, "The second enforcer (lease/second.c)", "src/core/lease/second.c", "BW_SECOND")]
    return "\n".join(out[1:]) + "\n"
