"""A small replicated key-value store, as an example of a system under test.

Every replica keeps for each key a value and its version. A put asks a majority for the highest version and writes a
higher one to a majority; a get asks a majority, and writes what it found back to it before it answers (the register of
Attiya, Bar-Noy and Dolev, JACM 1995). Two bugs can be had, and many a store has had them, to be fast:

- `reads="nearest"`: a get believes the nearest replica alone, which may have missed the latest put;
- `reads="majority"`: a get asks a majority and does not write back, so that of two gets during a put the earlier may
  see the new value and the later the old one.

Each `yield` stands for a message on its way: others go on meanwhile.
"""

import threading


class Replica:
    """One copy of the data; it answers one request at a time."""

    def __init__(self):
        self._lock = threading.Lock()
        self._held = {}

    def read(self, key):
        """The version and the value that it holds."""
        with self._lock:
            return self._held.get(key, ((0, 0), ""))

    def write(self, key, version, value):
        """Keep the value if it is newer than what is held."""
        with self._lock:
            if version > self._held.get(key, ((0, 0), ""))[0]:
                self._held[key] = (version, value)


class ReplicatedStore:
    """The store as its clients see it; client n is nearest to replica n."""

    def __init__(self, reads="written back", replicas=3):
        self._reads = reads
        self._replicas = [Replica() for _ in range(replicas)]

    def put(self, client, argument):
        """Write (key, value); returns when a majority holds it."""
        key, value = argument
        (number, _), _ = yield from self._newest(client, key)
        yield from self._write(client, key, (number + 1, client), value)

    def get(self, client, key):
        """Read; "" for a key that was never written."""
        if self._reads == "nearest":
            yield
            return self._majority(client)[0].read(key)[1]
        version, value = yield from self._newest(client, key)
        if self._reads == "written back":
            yield from self._write(client, key, version, value)
        return value

    def _newest(self, client, key):
        answers = []
        for replica in self._majority(client):
            yield
            answers.append(replica.read(key))
        return max(answers)

    def _write(self, client, key, version, value):
        for replica in self._majority(client):
            yield
            replica.write(key, version, value)

    def _majority(self, client):
        count = len(self._replicas)
        return [self._replicas[(client + place) % count] for place in range(count // 2 + 1)]
