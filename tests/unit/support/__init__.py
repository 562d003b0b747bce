"""What the fast tests share: the recording engine, stacks, certificates, a stand-in for kubectl."""
