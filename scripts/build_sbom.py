#!/usr/bin/env python3
"""Write the software bill of materials: sbom.cdx.json, CycloneDX 1.6, from the lock of the base.

Usage: build_sbom.py [--check]   `--check` writes nothing and fails where the file would change.

The same lock gives the same bytes: no time, no machine, and a serial number made of the content.
Source of the format: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

import generated

from nexctl._version import __version__

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements/base.txt"
FILE = ROOT / "sbom.cdx.json"
# What builds the wheel and is not installed with it.
BUILD_ONLY = frozenset(("hatchling", "pathspec", "pluggy", "trove-classifiers", "packaging"))
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def locked(text: str) -> list[tuple[str, str, str | None, list[str]]]:
    """(name, version, environment marker, SHA-256 hashes) of each requirement of a lock."""
    found: list[tuple[str, str, str | None, list[str]]] = []
    for line in text.replace("\\\n", " ").splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.*?))?\s*(?=--hash|$)", line)
        if match:
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
            found.append((match[1], match[2], match[3] or None, hashes))
    return found


def component(name: str, version: str, marker: str | None, hashes: list[str]) -> dict[str, Any]:
    """One package with the digests of its files, of which an installation takes one."""
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "scope": "excluded" if name in BUILD_ONLY else "required",
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{version}/",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in hashes],
            }
        ],
    }
    if marker:
        made["properties"] = [{"name": "nexctl:installed-where", "value": marker}]
    return made


def bill() -> str:
    """The whole file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    components = [component(*entry) for entry in locked(LOCK.read_text(encoding="utf-8"))]
    ref = f"pkg:pypi/nexctl@{__version__}"
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ref,
                "name": "nexctl",
                "version": __version__,
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": ref,
            }
        },
        "components": components,
        "dependencies": [
            {
                "ref": ref,
                "dependsOn": [c["bom-ref"] for c in components if c["scope"] == "required"],
            }
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return json.dumps({**document, "serialNumber": f"urn:uuid:{serial}"}, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(generated.main(lambda: {FILE: bill()}, sys.argv[1:], __file__, __doc__))
