"""Kubeconfigs, self-contained; and the lab's entries in the user's own."""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.instance import Cluster, write_private

Json = dict[str, Any]

_SECTIONS = ("clusters", "users", "contexts")


def document(cluster: Cluster, pki: Path, user: str, server: str) -> Json:
    """A kubeconfig for one user of one cluster; `pki` has the certificates' files."""
    name = cluster.contexts.get(user, cluster.context)  # of components nobody sees it

    def data(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    endpoint = {"server": server, "certificate-authority-data": data("ca.crt")}
    credentials = {
        "client-certificate-data": data(f"{user}.crt"),
        "client-key-data": data(f"{user}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": endpoint}],
        "users": [{"name": name, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def dump(content: Json) -> str:
    """A kubeconfig as text."""
    return yaml.safe_dump(content, sort_keys=False)


def add(path: Path, documents: list[Json]) -> None:
    """Put the entries of `documents` into the kubeconfig at `path`, and keep all others."""
    merged = _load(path)
    _drop(merged, {document["current-context"] for document in documents})
    for entry in documents:
        for section in _SECTIONS:
            merged[section] += entry[section]
        merged.setdefault("current-context", entry["current-context"])
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(path, merged)


def remove(path: Path, contexts: set[str]) -> None:
    """Take the lab's entries out of a kubeconfig; without any other it is deleted."""
    if not path.is_file():
        return
    merged = _load(path)
    _drop(merged, contexts)
    if any(merged[section] for section in _SECTIONS):
        _save(path, merged)
        return
    path.unlink()
    if path.parent.name == ".lab" and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _load(path: Path) -> Json:
    try:
        loaded = yaml.safe_load(path.read_text()) if path.exists() else None
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"cannot read the kubeconfig {path}: {error}") from None
    content = loaded or {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(content, dict):
        raise LabError(f"{path} is not a kubeconfig: name another file with --kubeconfig")
    for section in _SECTIONS:
        content[section] = content.get(section) or []
    return content


def _drop(content: Json, names: set[str]) -> None:
    for section in _SECTIONS:
        content[section] = [entry for entry in content[section] if entry["name"] not in names]
    if content.get("current-context") in names:
        del content["current-context"]


def _save(path: Path, content: Json) -> None:
    path = path.resolve()  # a link stays one
    write_private(path, dump(content))
    owner = path.parent.stat()  # under sudo the file still belongs to the folder's owner
    os.chown(path, owner.st_uid, owner.st_gid)
