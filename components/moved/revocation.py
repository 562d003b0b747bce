"""Where states of version 0.1 look for it."""

from components.trust.crl_rollout import RevocationProvider as RevocationProvider
