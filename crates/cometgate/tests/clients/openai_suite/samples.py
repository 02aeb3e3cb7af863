"""A value of each type of the `openai` package, as JSON: what its `strict` client accepts in an answer."""

import base64
import types
import typing
from datetime import date, datetime

import pydantic
from typing_extensions import TypeAliasType

UNIONS = (typing.Union, types.UnionType)

# Optional fields are filled in down to here; below it, or types that hold each other would never end.
DEPTH = 3

PLAIN = {
    str: "text",
    int: 1,
    float: 1.5,
    bool: True,
    object: {},
    typing.Any: {},
    dict: {},
    list: [],
    bytes: base64.b64encode(b"text").decode(),
    datetime: "2026-11-21T00:00:00Z",
    date: "2026-11-21",
    type(None): None,
    pydantic.StrictStr: "text",
    pydantic.StrictInt: 1,
    pydantic.StrictFloat: 1.5,
    pydantic.StrictBool: True,
}


def sample(kind, depth=0):
    """JSON of a value of a type; TypeError for a type nobody has thought of here."""
    if isinstance(kind, TypeAliasType):
        return sample(kind.__value__, depth)
    if kind in PLAIN:
        return PLAIN[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return sample(arguments[0], depth)
    if origin is typing.Literal:
        return arguments[0]
    if origin in UNIONS:
        return sample(arguments[0], depth)
    if origin in (list, typing.Sequence) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return [sample(arguments[0], depth + 1)] if depth < DEPTH else []
    if origin is dict:
        return {}
    if isinstance(origin or kind, type) and issubclass(origin or kind, pydantic.BaseModel):
        return sample_model(kind, depth)
    raise TypeError(f"no sample for {kind!r}")


def alternatives(kind):
    """The types that a union is one of; of any other type, itself."""
    if typing.get_origin(kind) is typing.Annotated:
        return alternatives(typing.get_args(kind)[0])
    if isinstance(kind, TypeAliasType):
        return alternatives(kind.__value__)
    return typing.get_args(kind) if typing.get_origin(kind) in UNIONS else (kind,)


def sample_model(model, depth):
    filled = {}
    for name, field in model.model_fields.items():
        if field.is_required() or (depth < DEPTH and not is_optional_model(field.annotation)):
            filled[field.alias or name] = sample(field.annotation, depth + 1)
    return filled


def is_optional_model(kind):
    """Whether a field that may be missing holds further objects: these stay out, as most answers have none of them."""
    return any(isinstance(part, type) and issubclass(part, pydantic.BaseModel) for part in leaves(kind))


def leaves(kind):
    if arguments := typing.get_args(kind):
        for argument in arguments:
            yield from leaves(argument)
    else:
        yield typing.get_origin(kind) or kind
