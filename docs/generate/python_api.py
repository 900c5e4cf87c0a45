"""Prints the public Python API as Markdown, read from the source: nothing is imported, so nothing need be installed.

    python3 docs/generate/python_api.py python/worldloop

Public is what `__init__.py` lists in `__all__`, with the named errors of `errors.py`; of classes, what has no leading
underscore.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

INTRO = """# Python API

What `import worldloop` offers ([how to use it](/python/README.md)).
"""


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def public(package: Path) -> list[tuple[str, Path]]:
    """Names of `__all__` in their order, each with the file that defines it."""
    module = read(package / "__init__.py")
    home = {
        alias.asname or alias.name: package / f"{node.module}.py"
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [(name, home.get(name, package / "__init__.py")) for name in ast.literal_eval(node.value)]
    raise SystemExit(f"{package}/__init__.py: expected __all__, found none.")


def definition(path: Path, name: str) -> ast.stmt:
    for node in read(path).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return node
    raise SystemExit(f"{path}: expected a class or function '{name}', found none.")


def text(node: ast.stmt) -> str:
    doc = ast.get_docstring(node) if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else None
    return prose(doc) if doc else ""


def prose(doc: str) -> str:
    """What a template would read as a tag or an expression stays text; code between backticks stays as it is."""
    parts = doc.split("`")
    return "`".join(
        part if number % 2 else part.replace("<", "&lt;").replace("{{", "{&#123;") for number, part in enumerate(parts)
    )


def signature(node: ast.FunctionDef, name: str) -> str:
    arguments = ast.unparse(node.args)
    for own in ("self, ", "cls, ", "self", "cls"):
        if arguments.startswith(own):
            arguments = arguments[len(own) :]
            break
    gives = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"```python\n{name}({arguments}){gives}\n```"


def comments(lines: list[str], node: ast.AnnAssign) -> str:
    return lines[node.lineno - 1].partition("#")[2].strip()


def describe_class(node: ast.ClassDef, lines: list[str]) -> list[str]:
    parts = [f"## {node.name}", text(node)]
    fields = [child for child in node.body if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)]
    if fields:
        rows = ["| field | type | |", "|---|---|---|"]
        for field in fields:
            default = f" = {ast.unparse(field.value)}" if field.value else ""
            kind = (ast.unparse(field.annotation) + default).replace("|", "\\|")
            rows.append(f"| `{ast.unparse(field.target)}` | `{kind}` | {prose(comments(lines, field))} |")
        parts.append("\n".join(rows))
    for child in node.body:
        if not isinstance(child, ast.FunctionDef):
            continue
        if child.name == "__init__":
            parts += [signature(child, node.name), text(child)]
        elif not child.name.startswith("_"):
            prop = any(isinstance(d, ast.Name) and d.id == "property" for d in child.decorator_list)
            kind = f"```python\n{child.name}: {ast.unparse(child.returns) if child.returns else '…'}\n```"
            parts += [f"### {node.name}.{child.name}", kind if prop else signature(child, child.name), text(child)]
    return parts


def page(package: Path) -> str:
    parts = [INTRO]
    for name, path in public(package):
        node = definition(path, name)
        if isinstance(node, ast.ClassDef):
            parts += describe_class(node, path.read_text().splitlines())
        elif isinstance(node, ast.FunctionDef):
            parts += [f"## {name}", signature(node, name), text(node)]
    errors = [node for node in read(package / "errors.py").body if isinstance(node, ast.ClassDef)]
    rows = ["| error | |", "|---|---|"]
    rows += [f"| `{node.name}` | {' '.join(text(node).split())} |" for node in errors]
    parts += [
        "## Errors",
        "In `worldloop.errors`; each message says what was expected, found, and what to do.",
        "\n".join(rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1])))
