"""Where states of version 0.1 look for it."""

from components.trust.crl_signing import RevocationListProvider as RevocationListProvider
