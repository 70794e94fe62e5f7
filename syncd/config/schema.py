"""JSON Schemas of `syncd.yaml` and of job files, for editors. They are made from the models that validate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.json_schema import GenerateJsonSchema

from syncd.config.settings import JobKeys, Settings
from syncd.jobs.durations import format_duration

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{[^{}]+\}"}
_TEXTUAL = ("string", "object", "array", "null")


class _Generator(GenerateJsonSchema):
    """Writes defaults as an operator would."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, SecretStr):
            return dft.get_secret_value()
        if isinstance(dft, BaseModel):
            fields = type(dft).model_fields.items()
            return {field.alias or name: self.encode_default(getattr(dft, name)) for name, field in fields}
        return super().encode_default(dft)


def settings_schema() -> Schema:
    """The schema of `syncd.yaml`."""
    schema = Settings.model_json_schema(schema_generator=_Generator)
    return _finished(schema, "syncd.yaml")


def job_schema(models: Mapping[str, type[BaseModel]], resources: Iterable[str] = ()) -> Schema:
    """The schema of a job file: the common keys, and those of each job type.

    Args:
        models: The model of each job type's own keys.
        resources: Names that an editor offers for `resources`.
    """
    definitions: Schema = {}
    kinds = [_kind(name, model, definitions, list(resources)) for name, model in models.items()]
    schema: Schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return _finished({**schema, "$defs": definitions}, "A job of syncd")


def _kind(name: str, model: type[BaseModel], definitions: Schema, resources: Sequence[str]) -> Schema:
    common = JobKeys.model_json_schema(schema_generator=_Generator)
    own = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}", schema_generator=_Generator)
    definitions.update(common.pop("$defs", {}))
    definitions.update({f"{name}.{key}": value for key, value in own.pop("$defs", {}).items()})
    properties: Schema = {**common["properties"], **own.get("properties", {})}
    default = JobKeys.model_fields["type"].default
    properties["type"] = {"const": name, "description": common["properties"]["type"]["description"]}
    if name == default:
        properties["type"]["default"] = name
        properties["resources"] = _offering(properties["resources"], resources)
    required = [*common.get("required", []), *own.get("required", []), *(["type"] if name != default else [])]
    return {
        "type": "object",
        "properties": properties,
        "required": list(dict.fromkeys(required)),
        "additionalProperties": model.model_config.get("extra") == "allow",
    }


def _offering(schema: Schema, names: Sequence[str]) -> Schema:
    """Let an editor complete names; globs, groups and other texts stay valid."""
    if not names:
        return schema
    word: Schema = {"anyOf": [{"enum": list(names)}, {"type": "string"}]}
    kept = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**kept, "anyOf": [word, {"type": "array", "minItems": 1, "items": word}]}


def _finished(schema: Schema, title: str) -> Schema:
    made: Schema = _with_references(schema)
    return {"$schema": _DRAFT, **made, "title": title}


def _with_references(schema: Any) -> Any:
    """Let every single value also be a reference such as `${NAME}`, whatever its type."""
    if isinstance(schema, list):
        return [_with_references(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: _with_references(one) for name, one in value.items()}
        if key in {"properties", "$defs"}
        else _with_references(value)
        for key, value in schema.items()
        if key not in {"title", "default", "examples", "enum", "const", "required"}
    }
    made |= {key: schema[key] for key in ("default", "examples", "required") if key in schema}
    single = "enum" in schema or "const" in schema or schema.get("type") not in (None, *_TEXTUAL)
    limited = schema.get("type") == "string" and ("pattern" in schema or "format" in schema)
    if not (single or limited):
        return made
    plain = {key: made.pop(key) for key in list(made) if key not in {"description", "default", "examples"}}
    plain |= {key: schema[key] for key in ("enum", "const") if key in schema}
    return {**made, "anyOf": [plain, _REFERENCE]}
