"""The quorum controller: metadata decisions on top of the Raft quorum."""
