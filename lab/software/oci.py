"""Write OCI image archives from layers that are files, without a container engine.

The format is the OCI image layout in a tar file, which `ctr images import` reads. Layers are not
compressed: nothing goes over a network, and unpacking is then as fast as the disk.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer in a file."""

    path: Path

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file, read in pieces."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def descriptor(self) -> dict[str, Any]:
        """How a manifest names this layer."""
        return _descriptor("layer.v1.tar", self.digest, self.path.stat().st_size)


@dataclass(frozen=True)
class Image:
    """An image with all the names it is known by."""

    names: Sequence[str]
    layers: Sequence[Layer]
    entrypoint: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


def write_layer(target: Path, files: Mapping[str, Path]) -> Layer:
    """A layer with these files (path in the image -> source), all executable, and a /tmp."""
    with tarfile.open(target, "w") as archive:
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(tmp)
        for name, source in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o755, source.stat().st_size
            with source.open("rb") as file:
                archive.addfile(info, file)
    return Layer(target)


def write_archive(target: Path, images: Sequence[Image], architecture: str) -> None:
    """One archive with all `images`; what they share is in it once."""
    blobs: dict[str, bytes] = {}
    layers: dict[str, Layer] = {}
    manifests: list[dict[str, Any]] = []
    for image in images:
        layers |= {layer.digest: layer for layer in image.layers}
        config = _add(blobs, _config(image, architecture), "config.v1+json")
        manifest = _add(blobs, _manifest(config, image), "manifest.v1+json")
        names = [*image.names, *_by_digest(image.names, manifest["digest"])]
        manifests += [
            {**manifest, "annotations": {"io.containerd.image.name": name}} for name in names
        ]
    with tarfile.open(target, "w") as archive:
        _put(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _put(archive, "index.json", _json({"schemaVersion": 2, "manifests": manifests}))
        for digest, content in blobs.items():
            _put(archive, f"blobs/sha256/{digest}", content)
        for digest, layer in layers.items():
            info = tarfile.TarInfo(f"blobs/sha256/{digest}")
            info.size = layer.path.stat().st_size
            with layer.path.open("rb") as file:
                archive.addfile(info, file)


def _by_digest(names: Sequence[str], digest: str) -> list[str]:
    """The names under which a pull from a registry by digest would have stored the image."""
    repositories = dict.fromkeys(name.rpartition(":")[0] for name in names)
    return [f"{repository}@{digest}" for repository in repositories]


def _config(image: Image, architecture: str) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": [PATH, *(f"{name}={value}" for name, value in image.env.items())],
            "User": image.user,
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{layer.digest}" for layer in image.layers],
        },
    }


def _manifest(config: dict[str, Any], image: Image) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer.descriptor for layer in image.layers],
    }


def _add(blobs: dict[str, bytes], document: dict[str, Any], kind: str) -> dict[str, Any]:
    """Add a document to the blobs, and return its descriptor."""
    content = _json(document)
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    return _descriptor(kind, digest, len(content))


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    media_type = f"application/vnd.oci.image.{kind}"
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
