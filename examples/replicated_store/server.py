"""The replicated store as a process: requests and answers in lines of JSON, many at once.

    $ echo '{"id": 1, "client": 0, "f": "put", "argument": ["x", "1"]}' | python server.py "written back"
    {"id": 1, "result": null}
"""

import json
import sys
import threading

from store import ReplicatedStore


def main(reads):
    """Answer until the standard input ends."""
    store = ReplicatedStore(reads)
    writing = threading.Lock()

    def answer(request):
        operation = getattr(store, request["f"])(request["client"], request["argument"])
        result = _carry_out(operation)
        with writing:
            print(json.dumps({"id": request["id"], "result": result}), flush=True)

    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),)).start()


def _carry_out(operation):
    """What the operation returns; threads are interrupted anywhere, so it need not give way."""
    while True:
        try:
            next(operation)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    main(sys.argv[1])
