"""Where states of version 0.1 look for it."""

from components.dns.cluster_dns import ClusterDnsProvider as ClusterDnsProvider
