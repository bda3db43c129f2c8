"""What the program says of its verbs and their options, and what the page of a verb has of it."""

import collections
import re
import subprocess
import sys

from mdoc import escaped, word

COMMON = ("plan", "yes", "reason", "no-wait", "output", "config", "endpoint", "ca", "identity", "wait-timeout")
OPTION = re.compile(r"^ {2,6}(?:-(\w), )?--([a-z-]+)(?:(\[=|[ =])(\S+))?(?: {2,}(.*))?$")


def run(*command):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout + done.stderr


def verbs_of(program):
    """Every command line that has a help of its own, such as ("pki", "issue")."""
    status, text = run(program, "--help")
    if status != 0:
        sys.exit(f"{program} --help: {status}\n{text}")
    for verb in re.findall(r"^  ([a-z]\S*) ", text.partition("\nverbs:\n")[2], re.MULTILINE):
        inner = run(program, verb, "--help")[1]
        names = re.match(rf"usage: breakwater {verb} ([a-z-]+(?:\|[a-z-]+)+) ", inner.splitlines()[0])
        subverbs = names.group(1).split("|") if names else []
        subverbs += sorted(set(re.findall(rf"`breakwater {verb} ([a-z-]+)`", inner)) - set(subverbs))
        if not names:
            yield (verb,)
        yield from ((verb, subverb) for subverb in subverbs)


def options_of(text):
    """[(letter, name, how its value is joined, the value, help)] of a --help, without --help itself."""
    options = []
    for line in text.partition("\noptions:\n")[2].splitlines():
        found = OPTION.match(line)
        if found:
            options.append(list(found.groups()))
        elif line.startswith(" " * 20) and options:
            options[-1][4] = f"{options[-1][4] or ''} {line.strip()}".strip()
    return [tuple(option) for option in options if option[1] != "help"]


class Verbs:
    """All of a program's: `helps` is {("pki", "issue"): its --help}."""

    def __init__(self, program):
        self.helps = {verb: run(program, *verb, "--help")[1] for verb in verbs_of(program)}
        texts = collections.defaultdict(collections.Counter)
        for text in self.helps.values():
            for option in options_of(text):
                texts[option[1]][option] += 1
        self.common = [texts[name].most_common(1)[0][0] for name in COMMON if name in texts]

    def of_page(self, name):
        return {verb: text for verb, text in self.helps.items() if verb[0] == name}


def item_lines(option):
    letter, name, joint, value, text = option
    spelling = f"Fl {letter} , " if letter else ""
    spelling += f"Fl -{name}"
    if joint == "[=":
        spelling += f" Ns Op = Ns Ar {value[:-1]}"
    elif value:
        spelling += f" Ar {word(value)}"
    text = text if re.match(r"\w+\.\w", text) else text[0].upper() + text[1:]
    return [f".It {spelling}", escaped(text if text.endswith(".") else text + ".")]


def synopsis_lines(verbs):
    lines = []
    for verb, text in verbs.items():
        usage = text.splitlines()[0].removeprefix("usage: breakwater ")
        rest = usage.removeprefix(" ".join(verb)).strip()
        lines += [".br"] * bool(lines) + [f".Ic {word('breakwater ' + ' '.join(verb))}", f".Ar {word(rest)}"]
    return lines


def option_lines(verbs, common):
    lines = []
    for verb, text in verbs.items():
        options = options_of(text)
        own = [option for option in options if option not in common]
        if len(verbs) > 1 and options:
            lines.append(f".Ss {' '.join(verb)}")
        if own:
            lines += [".Bl -tag -width Ds", *(line for option in own for line in item_lines(option)), ".El"]
        shared = [option[1] for option in options if option in common]
        if shared:
            lines += [".Pp"] * bool(own) + ["Common options", ".Pq Xr breakwater 1 :"]
            lines += [f".Fl -{name} ," for name in shared[:-1]] + [f".Fl -{shared[-1]} ."]
    return lines


def common_lines(common):
    return [".Bl -tag -width Ds", *(line for option in common for line in item_lines(option)), ".El"]
