"""What is built: one family per Go module that is pinned here, with its flags.

A version is stated twice, here and in the family's go.mod; README.md says how to change it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODULES = Path(__file__).parent / "go"

# No debug information anywhere; no inlining either where speed at run time does not matter
# (README.md has the measurements). `all=`, as one setting for all shares the Go build cache.
LEAN = "all=-dwarf=false"
LEANEST = "all=-dwarf=false -l"


@dataclass(frozen=True)
class Family:
    """Binaries built together from one pinned Go module."""

    name: str
    version: str
    summary: str
    binaries: Mapping[str, str]  # name of the binary -> Go package
    folder: str = ""  # of go.mod, under tools/go/; default: the name
    gcflags: str = LEANEST
    variables: Mapping[str, str] = field(default_factory=dict)  # Go variable -> value, set by -X

    @property
    def directory(self) -> Path:
        """The folder with go.mod, go.sum and, for some, a main of our own."""
        return MODULES / (self.folder or self.name)

    @property
    def ldflags(self) -> str:
        """Strip symbols, and set the variables."""
        return " ".join(["-s -w", *(f"-X {key}={value}" for key, value in self.variables.items())])

    @property
    def sources(self) -> list[Path]:
        """The files that determine the build, in a fixed order."""
        skipped = {".md", ".json"}
        return sorted(
            path
            for path in self.directory.iterdir()
            if path.suffix not in skipped and not path.name.endswith("_test.go")
        )


KUBERNETES = "1.37.2"
PULUMI = "3.259.0"
PULUMI_KUBERNETES = "4.25.0"
ISTIO = "1.31.0"
CERT_MANAGER = "1.11.5"

PROVIDER_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
ISTIO_MODULE = "istio.io/istio"
CERT_MANAGER_MODULE = "github.com/cert-manager/cert-manager"

_KUBERNETES_VARIABLES = {
    f"{package}.{name}": value
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (
        ("gitVersion", f"v{KUBERNETES}"),
        ("gitMajor", KUBERNETES.split(".")[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
}

# In this order: each finds in the Go build cache what it shares with those before it.
_TABLE = (
    Family(
        "kubernetes",
        KUBERNETES,
        "control plane and node of the lab's clusters",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kube-proxy",
                "kubelet",
            )
        },
        variables=_KUBERNETES_VARIABLES,
    ),
    Family(
        "kubectl",
        KUBERNETES,
        "command line for the clusters",
        {"kubectl": "k8s.io/kubernetes/cmd/kubectl"},
        folder="kubernetes",
        variables=_KUBERNETES_VARIABLES,
    ),
    Family(
        "etcd",
        "3.7.3",
        "store of the lab's clusters",
        {"etcd": "go.etcd.io/etcd/server/v3"},
    ),
    Family(
        "coredns",
        "1.15.0",
        "cluster DNS and the remote zones' DNS, with only the plugins they name",
        {"coredns": "."},
    ),
    Family(
        "kube-router",
        "2.10.0",
        "what enforces NetworkPolicies on the lab's nodes, without kube-router's other parts",
        {"kube-router": "."},
    ),
    Family(
        "istio",
        ISTIO,
        "istiod and the agent beside Envoy",
        {
            "pilot-agent": f"{ISTIO_MODULE}/pilot/cmd/pilot-agent",
            "pilot-discovery": f"{ISTIO_MODULE}/pilot/cmd/pilot-discovery",
        },
        variables={
            f"{ISTIO_MODULE}/pkg/version.buildVersion": ISTIO,
            f"{ISTIO_MODULE}/pkg/version.buildTag": ISTIO,
        },
    ),
    Family(
        "pulumi-kubernetes",
        PULUMI_KUBERNETES,
        "Pulumi's Kubernetes provider",
        {"pulumi-resource-kubernetes": "."},
        gcflags=LEAN,
        variables={f"{PROVIDER_MODULE}/pkg/version.Version": PULUMI_KUBERNETES},
    ),
    Family(
        "pulumi",
        PULUMI,
        "Pulumi's command line",
        {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        gcflags=LEAN,
        variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{PULUMI}"},
    ),
    Family(
        "cert-manager",
        CERT_MANAGER,
        "issuer of the cluster CAs: a process of the lab's root cluster, or pods of its chart",
        {
            f"cert-manager-{name}": f"{CERT_MANAGER_MODULE}/cmd/{name}"
            for name in ("controller", "webhook", "cainjector", "ctl")
        },
        variables={f"{CERT_MANAGER_MODULE}/pkg/util.AppVersion": f"v{CERT_MANAGER}"},
    ),
    Family(
        "fortio",
        "1.68.1",
        "load generator and echo server of the end-to-end tests",
        {"fortio": "fortio.org/fortio"},
        gcflags=LEAN,
    ),
    Family(
        "actionlint",
        "1.7.12",
        "linter of the GitHub workflows",
        {"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
    ),
    Family("bookinfo", "1.0.0", "stand-in for the Bookinfo services", {"bookinfo": "."}),
    Family(
        "talk",
        "1.71.0",  # of gRPC, which is most of it
        "both ends of the conversations of the end-to-end tests, one for each protocol",
        {"talk": "."},
    ),
    Family("pause", "1.0.0", "what holds a pod's network namespace", {"pause": "."}),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _TABLE}
