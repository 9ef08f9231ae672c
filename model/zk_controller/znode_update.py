"""Reading a znode, working out what it should hold, and writing that by compare and set, as often as it takes."""

from collections.abc import Callable
from typing import Any

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome

#: (present data or None, *arguments) -> the data wanted, None for no znode, or KEEP.
Change = Callable[..., Any]

#: What a change gives where nothing is to be written.
KEEP = object()


class ZnodeUpdate:
    """One update; begin it with `run`. `done(error or None, zxid or -1, *context)` follows once.

    An update whose own first attempt may have got through reads the znode again, and finds nothing left to write.
    """

    __slots__ = ("_arguments", "_change", "_client", "_context", "_done", "_path")

    def __init__(
        self, client: KafkaZkClient, path: str, change: Change, arguments: tuple[Any, ...], done: Callable[..., None],
        context: tuple[Any, ...],
    ) -> None:
        self._client = client
        self._path = path
        self._change = change
        self._arguments = arguments
        self._done = done
        self._context = context

    def run(self) -> None:
        """Read, then write."""
        self._client.request_all([zk.GetDataOp(self._path)], self._on_read)

    def _on_read(self, outcomes: list[Outcome]) -> None:
        result = outcomes[0].result
        if result.error not in (None, zk.NONODE):
            self._done(result.error, -1, *self._context)
            return
        wanted = self._change(result.value, *self._arguments)
        if wanted is KEEP or (result.error is None and wanted == result.value):
            self._done(None, -1 if result.stat is None else result.stat.mzxid, *self._context)
        else:
            self._client.request_all([self._write(wanted, result.stat)], self._on_written)

    def _write(self, wanted: Any, stat: zk.Stat | None) -> zk.Operation:
        if stat is None:
            return zk.CreateOp(self._path, wanted)
        return zk.DeleteOp(self._path, stat.version) if wanted is None else zk.SetDataOp(
            self._path, wanted, stat.version)

    def _on_written(self, outcomes: list[Outcome]) -> None:
        result = outcomes[0].result
        if result.error in (zk.BADVERSION, zk.NODEEXISTS) or (result.error == zk.NONODE and self._was_update(outcomes)):
            self.run()
        else:
            self._done(result.error, -1 if result.stat is None else result.stat.mzxid, *self._context)

    @staticmethod
    def _was_update(outcomes: list[Outcome]) -> bool:
        """A znode that is gone is created anew; a missing parent is an error."""
        return not isinstance(outcomes[0].operation, zk.CreateOp)
