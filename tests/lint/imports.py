"""Finds imports of Python programs that fail when the program runs.

No program of the tree is run. Each one is read, and of its statements at the top only those run that change sys.path, with
the assignments that they use. Each Python file is judged as if it was started itself: sys.path begins with its own folder,
has no PYTHONPATH and no working directory, and then changes as the file and the modules that it imports change it. An import
inside a function is judged by the sys.path at the end of the file. The standard library is the one of the interpreter that
the file names.
"""

import ast
import bisect
import functools
import json
import os
import pathlib
import posixpath
import re
import subprocess
import types

# Modules of Debian's packages, which a machine may lack. For each: the files that may import the module, and the need of
# tests/hygiene/may_skip for which their tests are skipped. Only SYSTEM finds every package that is installed: a file that
# another interpreter runs must catch the ImportError.
SYSTEM = "/usr/bin/python3"
THIRD_PARTIES = {
    "jsonschema": {"tests/support/validate": "jsonschema"},
    "psycopg2": {"tests/hosts/compose/core.py": "psycopg2", "tests/kube/writer": "patroni"},
    "yaml": {"tests/e2e/witness_pod/run": "yaml", "tests/hosts/compose/harbor_host.py": "yaml",
             "tests/hosts/compose/prepare": "yaml"},
}
THIS = "tests/lint/imports.py"
NEEDS = "tests/hygiene/may_skip"
# Programs that a test copies before it runs them: their folder then holds nothing of the tree.
COPIED = {"tests/hosts/compose/core.py", "tests/hosts/compose/prepare", "tests/kube/wal-g"}
# Files without a first line `#!` that a test gives to another interpreter than DEFAULT.
RUN_BY = {"tests/hosts/compose/core.py": SYSTEM}
SHEBANG = re.compile(r"#! *(/usr/bin/env +)?(\S*python3?)\b")
DEFAULT = "python3"
MISSING = {"ImportError", "ModuleNotFoundError", "Exception"}
OF_INTEREST = re.compile(r"\bimport\b|\bpath\b|\bSourceFileLoader\b")
EMBEDDED = re.compile(r"^(import|from) \w", re.MULTILINE)
BEGIN_OF_TEXT = re.compile(r"[\"']\s*(import|from) \w|\\n(import|from) \w|[=(,] *\w?[\"']{3}\\?$|[\"']#!\S+python")
ASK = """import importlib.util, json, sys
sys.path[:] = [place for place in sys.path if place]
def is_found(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
print(json.dumps({name: name.split(".")[0] in sys.stdlib_module_names and is_found(name) for name in json.load(sys.stdin)}))
"""
SAFE = {"os": os, "pathlib": pathlib}


def is_python(path, lines):
    return path.endswith(".py") or bool(lines and SHEBANG.match(lines[0]))


def interpreter_of(path, lines):
    found = SHEBANG.match(lines[0]) if lines else None
    return found.group(2) if found else RUN_BY.get(path, DEFAULT)


ANSWERS = {}


def in_library(interpreter, names):
    """Of each name: whether the standard library of this interpreter has such a module."""
    unknown = sorted({name for name in names if (interpreter, name) not in ANSWERS})
    if unknown:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run([interpreter, "-B", "-s", "-c", ASK], input=json.dumps(unknown), cwd="/", check=True,
                              env=environment, stdout=subprocess.PIPE, text=True)
        ANSWERS.update({(interpreter, name): answer for name, answer in json.loads(done.stdout).items()})
    return {name: ANSWERS[interpreter, name] for name in names}


@functools.lru_cache(maxsize=None)
def parse(text):
    """The tree of the text, in which each statement at the top knows whether found_below can find anything in it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    numbers = [number for number, line in enumerate(text.split("\n"), 1) if OF_INTEREST.search(line)]
    for node in tree.body:
        at = bisect.bisect_left(numbers, node.lineno)
        node.is_plain = at == len(numbers) or numbers[at] > node.end_lineno
    return tree


def is_sys_path(node):
    return isinstance(node, ast.Attribute) and node.attr == "path" and getattr(node.value, "id", None) == "sys"


def changes_path(node):
    """True if the statement may change sys.path: one that only reads it does no harm when it runs."""
    return any(is_sys_path(inner) for inner, _ in found_below(node))


def is_import(node):
    return isinstance(node, (ast.Import, ast.ImportFrom))


def is_loader(node):
    """True for SourceFileLoader(NAME, FILE), the one way in which a program without an ending is imported."""
    return (isinstance(node, ast.Call) and len(node.args) == 2
            and getattr(node.func, "attr", getattr(node.func, "id", None)) == "SourceFileLoader")


def expects_missing(node):
    """True for a `try` that goes on when a module is missing."""
    handlers = getattr(node, "handlers", [])
    caught = {getattr(name, "id", None) for handler in handlers if handler.type for name in ast.walk(handler.type)}
    return bool(caught & MISSING) or any(not handler.type for handler in handlers)


@functools.lru_cache(maxsize=None)
def found_below(top):
    """(node, optional) of each import, loader and sys.path; optional: in a `try` that expects a module to be missing."""
    found, waiting = [], [] if getattr(top, "is_plain", False) else [(top, False)]
    while waiting:
        node, optional = waiting.pop()
        if is_import(node) or is_loader(node) or is_sys_path(node):
            found.append((node, optional))
        if isinstance(node, ast.Try):
            waiting += [(inner, optional or expects_missing(node)) for inner in node.body]
            waiting += [(inner, optional) for inner in [*node.handlers, *node.orelse, *node.finalbody]]
        else:
            waiting += [(inner, optional) for inner in ast.iter_child_nodes(node)]
    return found


@functools.lru_cache(maxsize=None)
def names_bound_by(tree):
    """Names that `from MODULE import NAME` can find; None: the file imports `*`."""
    names, waiting = set(), list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if is_import(node):
            if any(alias.name == "*" for alias in node.names):
                return None
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        waiting += ast.iter_child_nodes(node)
    return names | {"__doc__", "__file__", "__name__"}


class Names(dict):
    """The globals of one file, each computed when a statement about sys.path asks for it."""

    def __init__(self, run, path, file):
        super().__init__({"__file__": file, "__name__": "judged"})
        self.run, self.path = run, path
        self.makers = {}

    def learn(self, node):
        """Remembers which statement makes which names."""
        if is_import(node):
            for alias in node.names:
                self.makers[(alias.asname or alias.name).split(".")[0]] = node, alias
        else:
            for target in getattr(node, "targets", []):
                for inner in ast.walk(target):
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                        self.makers[inner.id] = node, None

    def make(self, name):
        if name in self or name not in self.makers:
            return
        node, alias = self.makers.pop(name)
        if isinstance(node, ast.Import):
            top = alias.name.split(".")[0]
            self[name] = self.run.sys if top == "sys" else SAFE[top]
        elif isinstance(node, ast.ImportFrom):
            if node.module in SAFE:
                self[name] = getattr(SAFE[node.module], alias.name)
            else:
                other = self.run.globals_of[self.run.modules[node.module]]
                other.make(alias.name)
                self[name] = other[alias.name]
        else:
            self.execute(node)

    def prepare(self, node):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
                self.make(inner.id)

    def execute(self, node):
        self.prepare(node)
        exec(compile(ast.Module([node], []), self.path, "exec"), self)

    def value(self, node):
        self.prepare(node)
        return eval(compile(ast.Expression(node), self.path, "eval"), self)


class Run:
    """One program as it is started, with every module of the tree that it imports."""

    def __init__(self, tree, root, path, text):
        self.tree, self.root, self.path = tree, str(root), path
        own = [] if path in COPIED or text is not None else [posixpath.dirname(f"{self.root}/{path}")]
        self.sys = types.SimpleNamespace(path=own, argv=[path], executable=DEFAULT)
        self.modules, self.globals_of = {}, {}
        self.complaints, self.outside = [], []
        self.execute(path, text)

    def complain(self, path, node, text):
        if path != self.path:
            text += f", when {self.path} starts"
        self.complaints.append((path, node.lineno, text))

    def execute(self, path, text=None):
        """What running the file does to sys.path and to the modules; then judges what its functions import."""
        tree = parse("\n".join(self.tree[path]) if text is None else text)
        if tree is None:
            self.complaints.append((path, 1, "is no Python"))
            return
        own = self.globals_of[path] = Names(self, path, f"{self.root}/{path}")
        later = []
        self.statements(path, tree.body, own, False, later)
        for node, optional in later:
            for inner, expected in found_below(node):
                if is_import(inner):
                    self.judge(path, inner, optional or expected)
                elif is_sys_path(inner):
                    self.complain(path, inner, "changes sys.path in a function: do it at the top of the file")
                else:
                    self.load(path, inner, own)

    def statements(self, path, nodes, own, optional, later):
        for node in nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                later.append((node, optional))
            elif is_import(node):
                own.learn(node)
                self.judge(path, node, optional)
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                self.statements(path, node.body, own, optional or expects_missing(node), later)
                for rest in ("orelse", "finalbody"):
                    self.statements(path, getattr(node, rest, []), own, optional, later)
                for handler in getattr(node, "handlers", []):
                    self.statements(path, handler.body, own, optional, later)
            elif changes_path(node):
                try:
                    own.execute(node)
                except Exception as error:
                    self.complain(path, node, f"changes sys.path in a way that this lint cannot follow ({error!r})")
            else:
                own.learn(node)
                for inner, _ in found_below(node):
                    self.load(path, inner, own)

    def load(self, path, call, own):
        """Executes the file that a SourceFileLoader loads: sys.path stays as it is."""
        try:
            found = posixpath.relpath(posixpath.normpath(str(own.value(call.args[1]))), self.root)
        except Exception as error:
            self.complain(path, call, f"loads a file that this lint cannot follow ({error!r})")
            return
        if found not in self.tree:
            self.complain(path, call, f"there is no {found}")
        elif found not in self.globals_of:
            self.execute(found)

    def find(self, name):
        """The file of the tree that `import name` loads."""
        for place in self.sys.path:
            folder = posixpath.relpath(posixpath.normpath(str(place)), self.root)
            for file in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
                found = posixpath.normpath(posixpath.join(folder, file))
                if found in self.tree:
                    return found
        return None

    def judge(self, path, node, optional):
        if getattr(node, "level", 0):
            self.complain(path, node, "a relative import finds nothing in a program: put the folder on sys.path")
            return
        for name in [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]:
            found = self.find(name)
            if found is None:
                self.outside.append((path, node, name, optional))
                continue
            self.modules[name] = found
            if found not in self.globals_of:
                self.execute(found)
            bound = names_bound_by(parse("\n".join(self.tree[found])) or ast.Module([], []))
            for alias in node.names if isinstance(node, ast.ImportFrom) and bound is not None else []:
                if alias.name not in bound and alias.name != "*" and self.find(f"{name}.{alias.name}") is None:
                    self.complain(path, node, f"{found} has no {alias.name}")

    def places(self):
        folders = [posixpath.relpath(posixpath.normpath(str(place)), self.root) for place in self.sys.path]
        return ", ".join(dict.fromkeys(folders)) or "nothing of the tree"


def embedded_in(path, lines):
    """(first line, text) of each string of several lines that is a Python program. A template cannot be parsed: it is left
    out."""
    if not any(BEGIN_OF_TEXT.search(line) for line in lines):
        return
    for node in ast.walk(parse("\n".join(lines)) or ast.Module([], [])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value and EMBEDDED.search(node.value):
            program = parse(node.value)
            if program and any(is_import(inner) for inner in program.body):
                yield node.lineno, node.value


def complaints(tree, root):
    runs = []
    for path, lines in tree.items():
        if is_python(path, lines):
            interpreter = interpreter_of(path, lines)
            runs.append((interpreter, 0, Run(tree, root, path, None)))
            if not path.startswith("tests/lint/"):  # which has such strings as examples
                runs += [(interpreter, line - 1, Run(tree, root, path, text)) for line, text in embedded_in(path, lines)]
    asked = {}
    for interpreter, _, run in runs:
        asked.setdefault(interpreter, set()).update(name for _, _, name, _ in run.outside)
    library = {interpreter: in_library(interpreter, names) for interpreter, names in asked.items()}
    said = set()
    for interpreter, offset, run in runs:
        for path, node, name, optional in run.outside:
            if library[interpreter][name]:
                continue
            needs_of = THIRD_PARTIES.get(name.split(".")[0])
            if needs_of is None:
                if not optional:
                    run.complain(path, node, f"no module {name} for {interpreter} with {run.places()} on sys.path")
            elif path not in needs_of:
                run.complain(path, node, f"imports {name}: THIRD_PARTIES of {THIS} does not name this file")
            elif not optional and interpreter != SYSTEM:
                run.complain(path, node, f"{interpreter} may lack {name}: catch the ImportError, then skip the test")
        for path, number, text in run.complaints:
            place = path, number + (offset if path == run.path else 0)
            what = *place, text.partition(" with ")[0].partition(", when ")[0]
            if what not in said:
                said.add(what)
                yield (*place, text)
    yield from complaints_about_lists(tree)


def complaints_about_lists(tree):
    needs = {line.split()[1] for line in tree.get(NEEDS, []) if line.startswith("lacks ")}
    for path in sorted(set().union(COPIED, RUN_BY, *THIRD_PARTIES.values()) - set(tree)) if needs else []:
        yield THIS, 1, f"there is no {path}: remove it from the lists"
    for name, needs_of in THIRD_PARTIES.items() if needs else []:
        for path, need in needs_of.items():
            if need not in needs:
                yield THIS, 1, f"'{need}', for which {name} may be missing, is no need of {NEEDS}"
            if path in tree and not any(re.search(rf"^\s*(import|from) {name}\b", line) for line in tree[path]):
                yield THIS, 1, f"{path} does not import {name}: remove it from THIRD_PARTIES"
