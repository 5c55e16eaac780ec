#!/usr/bin/env python3
"""Checks that the examples in these pages parse, and that relative links and the files which they name exist."""

import json
import re
import sys
import textwrap
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PARSE = {
    "json": json.loads,
    "toml": tomllib.loads,
    "python": lambda code: compile(code, "example", "exec"),
}
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`([a-z][\w/.-]+\.rs)::(\w+)`")
FILE = re.compile(r"`((?:crates|src|tests|tools|docs)/[\w./{},-]*(?:/|\.\w+))`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")

checked, problems = 0, []
for page in sorted(HERE.rglob("*.md")):
    name, text = page.relative_to(HERE), page.read_text()
    for language, code in FENCE.findall(text):
        if parse := PARSE.get(language):
            checked += 1
            try:
                parse(textwrap.dedent(code))
            except (ValueError, SyntaxError) as error:
                problems.append(f"{name}: {language}: {error}\n{code}")
    for target in LINK.findall(text):
        checked += 1
        if not (page.parent / target).exists():
            problems.append(f"{name}: broken link to {target}")
    for path in FILE.findall(text):
        checked += 1
        before, *choice = re.split(r"[{}]", path)
        names = [before + each + choice[1] for each in choice[0].split(",")] if choice else [before]
        problems += [f"{name}: no file {each}" for each in names if not (HERE.parent / each).exists()]
    for path, test in TEST.findall(text):
        checked += 1
        file = HERE.parent / path
        if not file.exists() or not re.search(rf"\b{test}\b", file.read_text()):
            problems.append(f"{name}: no test {test} in {path}")
print(*problems, f"{checked} examples, links and files checked, {len(problems)} bad", sep="\n")
sys.exit(bool(problems))
