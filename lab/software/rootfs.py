"""The root file system of images that need more than one static binary."""

import re
from pathlib import Path

from rich.console import Console

from tools import cache
from tools.process import run
from tools.progress import Step, step

# What pilot-agent (iptables), Envoy (libc, certificates) and the tests' client need.
PACKAGES = ("bind9-dnsutils", "ca-certificates", "curl", "iptables", "openssl")
UNWANTED = ("doc", "man", "locale", "i18n")  # under /usr/share

# Istio's images have this user, as whom the sidecar runs and whose traffic is not captured.
PROXY_USER = "istio-proxy:x:1337:1337::/:/usr/sbin/nologin"

_FLAGS = (
    "--variant=essential",
    "--skip=output/dev",
    # Without these two, the package usrmerge brings all of Perl along.
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    f"--include=usr-is-merged,{','.join(PACKAGES)}",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED),
    f'--customize-hook=echo {PROXY_USER} >> "$1/etc/passwd"',
    '--customize-hook=echo istio-proxy:x:1337: >> "$1/etc/group"',
)


def ensure(console: Console | None = None) -> Path:
    """A tar file with a small Debian; of the release, and from the mirrors, that the host uses."""
    suite = _suite()
    key = cache.digest([suite, *_FLAGS])
    kind = "image-rootfs"
    entry = cache.path_of(kind, suite, key)
    if not entry.is_dir():
        with step(console, f"root file system of images ({suite})") as work:
            cache.entry(kind, suite, key, lambda target: _make(suite, target, work), work.announce)
    return entry / "rootfs.tar"


def _make(suite: str, target: Path, work: Step) -> None:
    command = ["mmdebstrap", *_FLAGS, *_apt_options(), suite, str(target / "rootfs.tar")]
    # With a fixed time for all files, the same packages give the same file, bit by bit.
    environment = {"SOURCE_DATE_EPOCH": "1", "TMPDIR": str(target)}
    run([*command, *_mirrors(suite)], env=environment, on_line=lambda line: work.say(line.strip()))


def _suite() -> str:
    release = Path("/etc/os-release").read_text()
    match = re.search(r'^VERSION_CODENAME="?(\w+)', release, re.MULTILINE)
    return match[1] if match else "bookworm"


def _mirrors(suite: str) -> list[str]:
    """The host's own sources of this release; none lets mmdebstrap take Debian's."""
    target = "$(SITE) $(RELEASE) $(COMPONENT)"
    lines = run(["apt-get", "indextargets", "--format", target, "Created-By: Packages"])
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    words = [line.split() for line in lines]
    return [
        f"deb {' '.join(word)}"
        for word in words
        if len(word) == 3 and word[1] in wanted and word[2] == "main"
    ]


def _apt_options() -> list[str]:
    """The host's proxy settings, which mmdebstrap does not read by itself."""
    lines = run(["apt-config", "dump", "--no-empty", "Acquire"])
    return [f"--aptopt={line}" for line in lines if re.match(r"Acquire::https?::Proxy", line)]
