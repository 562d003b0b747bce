"""What the tests on real clusters share: the lab, stacks, kubectl, bounded waiting."""
