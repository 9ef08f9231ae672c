"""The records of a real `__cluster_metadata`, decoded by the schemas that lie in Kafka's own jar, so that every version
reads its own records."""

import json
import re
import struct
import uuid
import zipfile
from pathlib import Path
from typing import Any

_FIXED = {"int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q", "uint16": ">H", "uint32": ">I", "float64": ">d"}


class MetadataSchemas:
    """The schemas of one version's jar."""

    def __init__(self, jars: Path) -> None:
        (jar,) = jars.glob("kafka-metadata-*.jar")
        self._by_key: dict[int, dict[str, Any]] = {}
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if name.startswith("common/metadata/") and name.endswith(".json"):
                    text = re.sub(r"^\s*//.*$", "", archive.read(name).decode(), flags=re.MULTILINE)
                    schema = json.loads(text)
                    self._by_key[schema["apiKey"]] = schema

    def decode(self, value: bytes) -> tuple[str, dict[str, Any]]:
        """The record's name, such as "PartitionRecord", and its fields by Kafka's names."""
        reader = _Reader(value)
        frame, key, version = reader.varint(), reader.varint(), reader.varint()
        assert frame == 1, f"unknown frame version {frame}"
        schema = self._by_key[key]
        return schema["name"], reader.fields(schema["fields"], version, schema.get("commonStructs", []))


class _Reader:
    """Reads the compact encoding of flexible versions (KIP-482)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def varint(self) -> int:
        """An unsigned variable-length integer."""
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def fields(self, fields: list[dict[str, Any]], version: int, structs: list[dict[str, Any]]) -> dict[str, Any]:
        """All fields: those that the version has, in order, then the tagged ones; the others have their default."""
        found: dict[str, Any] = {}
        tagged = {}
        for field in fields:
            if not _within(version, field["versions"]):
                found[field["name"]] = _default(field)
                continue
            if _within(version, field.get("taggedVersions", "none")):
                tagged[field["tag"]] = field
                found[field["name"]] = _default(field)
            else:
                found[field["name"]] = self._value(field["type"], field, version, structs)
        for _ in range(self.varint()):
            tag, size = self.varint(), self.varint()
            end = self._at + size
            if tag in tagged:
                field = tagged[tag]
                found[field["name"]] = self._value(field["type"], field, version, structs)
            self._at = end
        return found

    def _value(self, kind: str, field: dict[str, Any], version: int, structs: list[dict[str, Any]]) -> Any:
        if kind.startswith("[]"):
            size = self.varint() - 1
            return None if size < 0 else [self._value(kind[2:], field, version, structs) for _ in range(size)]
        if kind in _FIXED:
            size = struct.calcsize(_FIXED[kind])
            self._at += size
            return struct.unpack(_FIXED[kind], self._data[self._at - size:self._at])[0]
        if kind == "bool":
            self._at += 1
            return self._data[self._at - 1] != 0
        if kind == "uuid":
            self._at += 16
            return uuid.UUID(bytes=self._data[self._at - 16:self._at])
        if kind in ("string", "bytes"):
            size = self.varint() - 1
            if size < 0:
                return None
            self._at += size
            data = self._data[self._at - size:self._at]
            return data.decode() if kind == "string" else data
        inner = field.get("fields") or next(entry["fields"] for entry in structs if entry["name"] == kind)
        return self.fields(inner, version, structs)


def _within(version: int, versions: str) -> bool:
    if versions == "none":
        return False
    low, _, high = versions.partition("-")
    if low.endswith("+"):
        return version >= int(low[:-1])
    return int(low) <= version <= int(high or low)


def _default(field: dict[str, Any]) -> Any:
    default = field.get("default")
    if default in (None, "null"):
        return None if default == "null" or field["type"].startswith("[]") else 0
    if isinstance(default, str) and re.fullmatch(r"-?\d+", default):
        return int(default)
    return {"true": True, "false": False}.get(default, default)
