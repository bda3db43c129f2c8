"""Turns a page of deploy/doc into mdoc: headings, paragraphs, lists, tables, blocks of code and links, no more of Markdown."""

import re

MACRO = re.compile(r"[A-Z%][A-Za-z0-9]")  # a word that mdoc would take for one of its macros
PAGES = {"status.md": "status", "runbook.md": "runbook", "metrics.md": "metrics"}
INLINE = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*|(?<!\w)\*[^*\s][^*]*\*|\[[^\]]+\]\([^)]+\)|\bbreakwater(?:(?:-[a-z]+)*|\.yaml)\([157]\))")


def escaped(text):
    """Text that roff takes as it is: no escape, no request at its beginning, no smart quotes."""
    text = text.replace("\\", "\\e").replace("`", "\\(ga").replace('"', "\\(dq")
    return "\\&" + text if text.startswith((".", "'")) else text


def literal(text):
    """The same in a block of code, where a quote is one."""
    return escaped(text).replace("\\(dq", '"')


def word(text):
    """One argument of a macro."""
    text = text.replace("\\", "\\e").replace('"', "\\(dq")
    text = "\\&" + text if MACRO.fullmatch(text) or text in ("|", ".", ",", ";", ":", "(", ")", "!", "?", "-") else text
    return f'"{text}"' if " " in text else text


def heading_of(anchor):
    return anchor.replace("-", " ").upper()


def macro_of(piece):
    """What a code span, an emphasis, a link or the name of a page is in mdoc, without its dot."""
    page = re.fullmatch(r"(breakwater[-.a-z]*)\(([157])\)", piece)
    link = re.fullmatch(r"\[([^\]]+)\]\(([^)#]*)(?:#([^)]*))?\)", piece)
    if page:
        return f"Xr {page[1]} {page[2]}"
    if link and not link[2]:
        return f"Sx {word(heading_of(link[3]))}"
    if link and link[2] in PAGES:
        return f"Xr breakwater-{PAGES[link[2]]} 7" + (f" , Sx {word(heading_of(link[3]))}" if link[3] else "")
    if link:
        return f"Pa {word(link[2].rpartition('/')[2])}"
    text = piece.strip("`*")
    if piece.startswith("**"):
        return f"Sy {word(text)}"
    if piece.startswith("*"):
        return f"Em {word(text)}"
    is_command = text.startswith("breakwater") or re.match(r"[a-z]+ ", text)
    return f"{'Ic' if is_command else 'Ql'} {word(text)}"


def with_targets(text):
    """A link that leads to another page keeps its words, and the page follows in brackets."""
    return re.sub(r"\[([^\]]+)\]\((?!#)([^)]+)\)",
                  lambda found: found[0] if found[2] in PAGES else f"{found[1]} ([page]({found[2]}))", text)


def sentence_lines(text):
    """The lines of one paragraph: each sentence begins one, and each macro has its own."""
    lines = []
    pieces = [piece for piece in INLINE.split(with_targets(text)) if piece]
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if not INLINE.fullmatch(piece):
            following = at + 1 < len(pieces)
            opens = "( " if following and piece.endswith("(") else ""
            piece = piece[:-1] if opens else piece
            lines += [escaped(line.strip()) for line in re.sub(r"([.?!]) (?=[A-Z(])", r"\1\n", piece).split("\n") if line.strip()]
            at += 1
            if not following:
                break
            piece = pieces[at]
        else:
            opens = ""
        macro, _, rest = macro_of(piece).partition(" ")
        line = f".{macro} {opens}{rest}"
        at += 1
        if at < len(pieces) and not pieces[at].startswith((" ", "\n")) and not INLINE.fullmatch(pieces[at]):
            closing = re.match(r"[.,;:)?!]+(?=\s|$)", pieces[at])
            if closing:
                line += "".join(f" {mark}" for mark in closing[0])
                pieces[at] = pieces[at][closing.end():]
            else:
                glued, _, after = pieces[at].partition(" ")
                line += f" Ns {word(glued)}"
                pieces[at] = after
            if not pieces[at].strip():
                at += 1
        lines.append(line)
    return lines


def table_lines(rows):
    """The first cell is the word; what further columns have begins with their heading."""
    headings = rows[0]
    plain = "meaning" if "meaning" in headings else headings[1]
    lines = [".Bl -tag -width Ds"]
    for row in rows[2:]:
        lines.append(".It " + " , ".join(f"Sy {word(name)}" for name in re.sub(r"`", "", row[0]).split(", ")))
        for heading, cell in zip(headings[1:], row[1:]):
            if not cell:
                continue
            prefix = "" if heading in ("", plain) else f"{heading[0].upper()}{heading[1:]}: "
            text = prefix + cell if prefix or cell.startswith("breakwater") else cell[0].upper() + cell[1:]
            lines += [".br"] * bool(prefix) + sentence_lines(text if text.endswith((".", ":")) else text + ".")
    return lines + [".El"]


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def list_lines(block):
    """Items at one depth; what is indented below one belongs to it."""
    enum = re.match(r"\d", block[0])
    items, tagged = [], True
    for line in block:
        found = re.match(r"(?:\*|\d+\.) +(.*)", line)
        if found:
            items.append([found[1]])
            tagged = tagged and re.match(r"`[^`]+`(?:, `[^`]+`)*: ", found[1])
        else:
            items[-1].append(re.sub(r"^ {2,3}", "", line))
    lines = [".Bl -tag -width Ds" if tagged else f".Bl -{'enum' if enum else 'bullet'} -compact"]
    for item in items:
        if tagged:
            names, _, item[0] = item[0].partition(": ")
            item[0] = item[0] if item[0].startswith("breakwater") else item[0][0].upper() + item[0][1:]
            lines.append(".It " + " , ".join(f"Sy {word(name)}" for name in re.findall(r"`([^`]+)`", names)))
        else:
            lines.append(".It")
        lines += body_lines(item)
    return lines + [".El"]


def body_lines(lines):
    out, at = [], 0
    while at < len(lines):
        line = lines[at]
        start = at
        if re.match(r"\s*```", line):
            at += 1
            while not re.match(r"\s*```", lines[at]):
                at += 1
            out += [".Bd -literal -offset indent", *(literal(text) for text in lines[start + 1:at]), ".Ed"]
            at += 1
        elif line.startswith("    ") and line.strip():
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            out += [".Bd -literal -offset indent", *(literal(text[4:]) for text in lines[start:at]), ".Ed"]
        elif line.startswith("|"):
            while at < len(lines) and lines[at].startswith("|"):
                at += 1
            out += table_lines([cells_of(row) for row in lines[start:at]])
        elif re.match(r"(\*|\d+\.) ", line):
            while at < len(lines) and (re.match(r"(\*|\d+\.) |  ", lines[at])
                                       or not lines[at] and at + 1 < len(lines) and re.match(r"  |(\*|\d+\.) ", lines[at + 1])):
                at += 1
            out += list_lines([text for text in lines[start:at]])
        elif line.startswith(("<!--", "![")) or not line.strip():
            at += 1
            continue
        elif re.match(r"#{2,3} ", line):
            level, _, title = line.partition(" ")
            title = title.replace("`", "")
            out.append(f".Sh {title.upper()}" if level == "##" else f".Ss {title}")
            at += 1
            continue
        else:
            while at < len(lines) and lines[at].strip() and not re.match(r"\s*```|\||(\*|\d+\.) |#", lines[at]):
                at += 1
            previous = next((text for text in reversed(out)), ".Sh")
            out += [".Pp"] * (not previous.startswith((".Sh", ".Ss", ".It", ".Pp"))) \
                + sentence_lines(" ".join(text.strip() for text in lines[start:at]))
    return out


def mdoc_of(text):
    """The body of a page: what follows its title."""
    return "\n".join(body_lines(text.split("\n")[1:])) + "\n"
