"""Where states of version 0.1 look for it."""

from components.cluster.ingress_addresses import (
    IngressAddressesProvider as IngressAddressesProvider,
)
