"""History in, verdict out: each checker in its own file, fed one event at a time."""
