#!/usr/bin/env python3
"""Circles of imports inside a crate: files that need each other.

Usage: scripts/circles.py [CRATE...]        (folders below crates/; default: all)

A file needs another where it imports something that is defined there, or names it by its path;
re-exports are followed to the definition, tests are left out. Prints each circle with what ties it,
by files and then by the crate's topmost modules; the exit code is 1 where there are any by files.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

CRATES = Path(__file__).resolve().parents[1] / "crates"
# Comments, strings and characters; lifetimes stay.
NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|r(#+)".*?"\1|r"[^"]*"|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.S
)
TEST = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*[^;{]*[;{]")
USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
CHILD = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", re.M)
# `pub(in crate::…)` says who may see something, not what the file needs.
VISIBILITY = re.compile(r"\bpub\(in [^)]*\)")
PATH = re.compile(r"(?<![\w:])(?:crate|super|self)(?:\s*::\s*\w+)+")


def without_tests(text: str) -> str:
    while found := TEST.search(text):
        end = found.end()
        depth = text[end - 1] == "{"
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[end:]
    return text


def expanded(tree: str) -> list[tuple[list[str], str]]:
    """A use tree as paths, each with the name that it brings."""
    tree = tree.strip()
    if "{" in tree:
        head, rest = tree.split("{", 1)
        inner, depth, part, parts = rest[: rest.rindex("}")], 0, "", []
        for letter in inner:
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "," and not depth:
                parts.append(part)
                part = ""
            else:
                part += letter
        parts.append(part)
        return [path for part in parts if part.strip() for path in expanded(head + part.strip())]
    path, _, name = tree.partition(" as ")
    names = [part.strip() for part in path.split("::")]
    if names[-1] == "self":
        names.pop()
    return [(names, name.strip() or names[-1])]


class Crate:
    def __init__(self, folder: Path) -> None:
        self.files: dict[tuple[str, ...], Path] = {}
        self.texts: dict[tuple[str, ...], str] = {}
        self.children: dict[tuple[str, ...], list[str]] = {}
        source = folder / "src"
        root = source / "lib.rs"
        self.add((), root if root.exists() else source / "main.rs", source)
        self.uses = {
            module: [path for tree in USE.findall(text) for path in expanded(tree)]
            for module, text in self.texts.items()
        }

    def add(self, module: tuple[str, ...], path: Path, folder: Path) -> None:
        text = VISIBILITY.sub("pub", without_tests(NOISE.sub(" ", path.read_text())))
        self.files[module], self.texts[module] = path, text
        self.children[module] = CHILD.findall(text)
        for child in self.children[module]:
            for candidate in (folder / f"{child}.rs", folder / child / "mod.rs"):
                if candidate.exists():
                    self.add((*module, child), candidate, folder / child)

    def home(self, module: tuple[str, ...], names: list[str], seen: frozenset) -> tuple | None:
        """The module that defines what `names` lead to from `module`; None outside of the crate."""
        if (module, tuple(names)) in seen:
            return None
        seen |= {(module, tuple(names))}
        names = list(names)
        at = module
        if names[0] == "crate":
            at, names = (), names[1:]
        elif names[0] in ("self", "super"):
            while names and names[0] in ("self", "super"):
                at = at[:-1] if names[0] == "super" else at
                names = names[1:]
        elif names[0] not in self.children[module]:
            return None
        while names and (*at, names[0]) in self.files:
            at, names = (*at, names[0]), names[1:]
        if names and names[0] != "*":
            for path, name in self.uses[at]:
                if name == names[0] and (home := self.home(at, path, seen)) is not None:
                    return home
        return at

    def needs(self) -> dict[tuple, dict[tuple, set[str]]]:
        edges: dict[tuple, dict[tuple, set[str]]] = {module: {} for module in self.files}
        for module, text in self.texts.items():
            private = re.sub(r"^\s*pub(?:\([^)]*\))?\s+use\s+[^;]+;", "", text, flags=re.M)
            paths = [path for tree in USE.findall(private) for path, _ in expanded(tree)]
            body = USE.sub("", text)
            paths += [re.split(r"\s*::\s*", path) for path in PATH.findall(body)]
            for child in self.children[module]:
                named = re.findall(rf"(?<![\w:]){child}(?:::\w+)+", body)
                paths += [path.split("::") for path in named]
            for path in paths:
                home = self.home(module, path, frozenset())
                if home is not None and home != module:
                    edges[module].setdefault(home, set()).add(path[-1])
        return edges


def circles(edges: dict) -> list[list]:
    """Strongly connected components of more than one."""

    def reach(start):
        seen, waiting = set(), [start]
        while waiting:
            for target in edges.get(waiting.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    reached = {node: reach(node) for node in edges}
    found = {
        tuple(sorted({node} | {m for m in reached[node] if node in reached.get(m, ())}))
        for node in edges
        if node in reached[node]
    }
    return [list(circle) for circle in sorted(found) if len(circle) > 1]


def main() -> int:
    names = sys.argv[1:] or sorted(path.name for path in CRATES.iterdir())
    count = 0
    for name in names:
        crate = Crate(CRATES / name)
        edges = crate.needs()
        for circle in circles(edges):
            count += 1
            print(f"{name}: {len(circle)} files need each other")
            for module in circle:
                for target, items in sorted(edges[module].items()):
                    if target in circle:
                        said = "::".join(module) or "(root)"
                        print(f"    {said} -> {'::'.join(target) or '(root)'}: {', '.join(sorted(items))}")
        tops: dict[tuple, dict[tuple, set]] = defaultdict(dict)
        for module, targets in edges.items():
            for target in targets:
                if module[:1] != target[:1] and module and target:
                    tops[module[:1]][target[:1]] = set()
        for circle in circles(tops):
            print(f"{name}: modules need each other: {', '.join(top for (top,) in circle)}")
    print(f"{count} circles of files")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
