"""lab/software/oci.py: archives that containerd imports, the same bytes from the same parts."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.software import images
from lab.software.oci import Image, Layer, write_archive, write_layer
from tools.families import FAMILIES

INDEX = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "binary"
    path.write_bytes(b"\x7fELF" + bytes(100_000))
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert len(set(names)) == len(names), "nothing is in there twice"
        return {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Archive:
    """An archive as a container engine reads it: by digests only."""

    def __init__(self, path: Path) -> None:
        self.files = members(path)
        self.read: set[str] = set()
        self.index = json.loads(self.files["index.json"])

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        name = "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")
        content = self.files[name]
        assert sha(content) == descriptor["digest"]
        assert len(content) == descriptor["size"]
        self.read.add(name)
        return content

    def image(self, name: str) -> tuple[dict[str, Any], list[bytes]]:
        """Config and layers of the image of this name."""
        (entry,) = [
            entry
            for entry in self.index["manifests"]
            if entry["annotations"]["io.containerd.image.name"] == name
        ]
        assert entry["mediaType"] == INDEX
        manifest = json.loads(self.blob(entry))
        assert (manifest["schemaVersion"], manifest["mediaType"]) == (2, INDEX)
        assert manifest["config"]["mediaType"] == CONFIG
        config = json.loads(self.blob(manifest["config"]))
        layers = []
        for descriptor in manifest["layers"]:
            assert descriptor["mediaType"] == LAYER, "not compressed"
            layers.append(self.blob(descriptor))
        # Without compression, what is unpacked is what is stored.
        assert config["rootfs"] == {"type": "layers", "diff_ids": [sha(data) for data in layers]}
        return config, layers


def test_the_layout_is_whole_and_every_digest_matches(tmp_path: Path, binary: Path) -> None:
    base = write_layer(tmp_path / "base", {"usr/bin/base": binary})
    top = write_layer(tmp_path / "top", {"top": binary})
    write_archive(
        tmp_path / "archive.tar",
        [
            Image(["r.example/one:1", "r.example/two:1"], [base, top], ["/top", "serve"]),
            Image(["r.example/three:1"], [base], ["/usr/bin/base"], env={"K": "v"}, user="1:1"),
        ],
        "arm64",
    )
    archive = Archive(tmp_path / "archive.tar")
    assert json.loads(archive.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert archive.index["schemaVersion"] == 2
    one, layers = archive.image("r.example/one:1")
    assert archive.image("r.example/two:1") == (one, layers), "two names, one image"
    assert layers == [base.path.read_bytes(), top.path.read_bytes()], "in their order"
    assert (one["architecture"], one["os"]) == ("arm64", "linux")
    assert one["config"]["Entrypoint"] == ["/top", "serve"]
    three, _ = archive.image("r.example/three:1")
    assert three["config"]["User"] == "1:1"
    assert three["config"]["Env"][0].startswith("PATH=/usr/local/sbin:")
    assert three["config"]["Env"][1:] == ["K=v"]
    blobs = {name for name in archive.files if name.startswith("blobs/")}
    assert blobs == archive.read, "nothing that no image names"


def test_an_image_is_found_by_its_digest_in_each_of_its_repositories(
    tmp_path: Path, binary: Path
) -> None:
    layer = write_layer(tmp_path / "layer", {"x": binary})
    names = ["r.example:5000/one:1", "r.example/two:1", "r.example/two:latest"]
    write_archive(tmp_path / "archive.tar", [Image(names, [layer], ["/x"])], "amd64")
    archive = Archive(tmp_path / "archive.tar")
    (digest,) = {entry["digest"] for entry in archive.index["manifests"]}
    by_digest = [f"r.example:5000/one@{digest}", f"r.example/two@{digest}"]
    entries = archive.index["manifests"]
    assert [e["annotations"]["io.containerd.image.name"] for e in entries] == [*names, *by_digest]
    assert archive.image(by_digest[0]) == archive.image(names[0])


def test_a_shared_layer_is_stored_once(tmp_path: Path, binary: Path) -> None:
    layer = write_layer(tmp_path / "layer", {"x": binary})
    images = [Image([f"r.example/{n}:1"], [layer], ["/x", str(n)]) for n in range(5)]
    write_archive(tmp_path / "archive.tar", images, "amd64")
    assert (tmp_path / "archive.tar").stat().st_size < 2 * layer.path.stat().st_size


def test_the_same_parts_give_the_same_bytes_whenever_and_wherever(
    tmp_path: Path, binary: Path
) -> None:
    made = []
    for number, folder in enumerate((tmp_path / "one", tmp_path / "two")):
        folder.mkdir()
        source = folder / "program"
        source.write_bytes(binary.read_bytes())
        source.chmod(0o700 + number)
        os.utime(source, (number * 1000, number * 1000))
        files = {"b": source, "a": source}
        layer = write_layer(folder / "layer", dict(sorted(files.items(), reverse=bool(number))))
        write_archive(folder / "archive", [Image(["r.example/x:1"], [layer], ["/a"])], "amd64")
        made.append((layer.digest, (folder / "archive").read_bytes()))
    assert made[0] == made[1]


def test_a_layer_has_its_files_executable_and_a_tmp_for_everybody(
    tmp_path: Path, binary: Path
) -> None:
    layer = write_layer(tmp_path / "layer", {"usr/bin/x": binary})
    with tarfile.open(layer.path) as archive:
        tmp, program = archive.getmembers()
        assert tmp.isdir()
        assert (tmp.name, tmp.mode) == ("tmp", 0o1777)
        assert (program.name, program.mode) == ("usr/bin/x", 0o755)
        assert (program.uid, program.gid) == (0, 0)
        content = archive.extractfile(program)
        assert content is not None
        assert content.read() == binary.read_bytes()


def test_a_digest_is_that_of_the_file_however_large(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    content = os.urandom(1 << 20) * 3 + b"x"
    path.write_bytes(content)
    assert f"sha256:{Layer(path).digest}" == sha(content)
    assert Layer(path).descriptor["size"] == len(content)


def test_every_layer_is_a_tar_file(tmp_path: Path, binary: Path) -> None:
    layer = write_layer(tmp_path / "layer", {"x": binary})
    write_archive(tmp_path / "a", [Image(["r.example/x:1"], [layer], ["/x"])], "amd64")
    _, (data,) = Archive(tmp_path / "a").image("r.example/x:1")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["tmp", "x"]


@pytest.mark.parametrize("group", sorted(images.GROUPS))
def test_the_images_of_a_group_make_an_archive_and_have_full_names(
    tmp_path: Path, binary: Path, group: str
) -> None:
    class Any_(dict[str, Path]):
        """Whatever file is asked for."""

        def __missing__(self, key: str) -> Path:
            return binary

    made = images.GROUPS[group].make(images.Parts(Any_(), Any_()), tmp_path)
    write_archive(tmp_path / "archive.tar", made, "amd64")
    archive = Archive(tmp_path / "archive.tar")
    names = [name for image in made for name in image.names]
    assert len(set(names)) == len(names)
    for name in names:
        host, _, rest = name.partition("/")
        assert "." in host, "containerd imports no short names"
        assert ":" in rest
        config, _ = archive.image(name)
        assert config["config"]["Entrypoint"][0].startswith("/")


def test_cert_managers_images_are_what_its_chart_expects(tmp_path: Path, binary: Path) -> None:
    names = ("controller", "webhook", "cainjector", "ctl")
    binaries = {f"cert-manager-{name}": binary for name in names}
    made = images.GROUPS["cert-manager"].make(images.Parts(binaries, {}), tmp_path)
    version = FAMILIES["cert-manager"].version
    assert {image.names[0]: image.entrypoint for image in made} == {
        f"quay.io/jetstack/cert-manager-{name}:v{version}": [f"/app/cmd/{name}/{name}"]
        for name in names
    }
    assert {image.user for image in made} == {"1000"}, "a number: its pods must not run as root"
