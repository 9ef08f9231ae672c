"""Known bugs, one file an area: each breaks the fewest guards of the real components."""
