"""The operations of the installed `openai` package: each method and path with what the package expects in answer.

Read from the package's own resource classes, since their calls name all of it:

    return self._post(path_template("/files/{file_id}/x", ...), ..., cast_to=FileObject, stream_cls=Stream[Event])
    return self._get_api_list("/files", page=SyncCursorPage[FileObject], model=FileObject)
"""

import ast
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import openai

METHODS = {"_get": "GET", "_post": "POST", "_put": "PUT", "_patch": "PATCH", "_delete": "DELETE"}

# Where the package computes the type from the request's `response_format`: that of the default format.
BY_DEFAULT = {
    "/audio/transcriptions": "openai.types.audio:Transcription",
    "/audio/translations": "openai.types.audio:Translation",
}


@dataclass
class Operation:
    method: str
    template: str  # below the base URL, with {names} for what varies
    answer: Any  # a type of the package
    event: Any  # that of an event of the stream, or None if it cannot stream
    streams_always: bool  # without being asked to

    def __post_init__(self):
        path, _, self.query = self.template.partition("?")
        parts = re.split(r"\{[^}]*\}", path)
        self.pattern = re.compile("[^/]+".join(map(re.escape, parts)))

    def literal(self):
        """How much of its path is fixed: `/files/search` is nearer to itself than `/files/{file_id}` is."""
        return (len(self.query), -self.template.count("{"), len(self.template))


class Operations:
    def __init__(self):
        root = Path(openai.__file__).parent
        self.all = []
        for file in sorted((root / "resources").rglob("*.py")):
            dotted = ".".join(file.relative_to(root.parent).with_suffix("").parts)
            self.all += read_module(importlib.import_module(dotted), ast.parse(file.read_text()))
        self.all.sort(key=Operation.literal, reverse=True)

    def find(self, method, path, query):
        """The operation that a request is for; None if the package has no such one."""
        for operation in self.all:
            if operation.method == method and operation.query in query and operation.pattern.fullmatch(path):
                return operation
        return None


def read_module(module, tree):
    for node in tree.body:
        # Each asynchronous class says the same again.
        if isinstance(node, ast.ClassDef) and not node.name.startswith("Async"):
            for function in node.body:
                if isinstance(function, ast.FunctionDef):
                    yield from read_function(module, function)


def read_function(module, function):
    for call in ast.walk(function):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "self" and call.args):
            continue
        options = {option.arg: option.value for option in call.keywords}
        if call.func.attr == "_get_api_list":
            method = ast.literal_eval(options["method"]).upper() if "method" in options else "GET"
            answer = options["page"]
        elif call.func.attr in METHODS:
            method, answer = METHODS[call.func.attr], options["cast_to"]
        else:
            continue
        template = read_template(call.args[0])
        if template is None:
            continue
        if template in BY_DEFAULT:
            dotted, _, name = BY_DEFAULT[template].partition(":")
            answer = getattr(importlib.import_module(dotted), name)
        else:
            answer = evaluate(module, answer)
        stream = evaluate(module, options["stream_cls"]) if "stream_cls" in options else None
        streams_always = isinstance(options.get("stream"), ast.Constant) and options["stream"].value is True
        yield Operation(method, template, answer, event_of(stream), streams_always)


def read_template(argument):
    """The path of a call: a text, or the first argument of `path_template`."""
    if isinstance(argument, ast.Call):
        argument = argument.args[0]
    return argument.value if isinstance(argument, ast.Constant) else None


def evaluate(module: ModuleType, expression):
    """A type as its module means it, without the casts that are for type checkers only."""
    if isinstance(expression, ast.Call) and getattr(expression.func, "id", "") == "cast":
        expression = expression.args[1]
    return eval(compile(ast.Expression(expression), module.__file__, "eval"), vars(module))


def event_of(stream):
    if stream is None:
        return None
    if arguments := getattr(stream, "__args__", None):
        return arguments[0]
    # A subclass of Stream[Event].
    return stream.__orig_bases__[0].__args__[0]


if __name__ == "__main__":
    for operation in Operations().all:
        event = f" | stream of {operation.event}" if operation.event else ""
        print(f"{operation.method} {operation.template} -> {operation.answer}{event}")
