"""How a learner is brought to the leader's history: by what it lacks, by a cut, or by a snapshot
(LearnerHandler.syncFollower)."""

from fencepost.model.protocol.zab import DIFF, SNAP, TRUNC, SyncBegin
from fencepost.model.zookeeper.data_tree import DataTree
from fencepost.model.zookeeper.storage import Storage
from fencepost.model.zookeeper.transactions import Transaction, counter_of, epoch_of


def plan_synchronisation(storage: Storage, tree: DataTree, last_zxid: int) -> SyncBegin:
    """What to send a learner whose last transaction is `last_zxid`, so that it has everything applied here.

    A learner whose zxid is the start of an epoch has led that epoch without a transaction: nothing is cut. A cut never
    crosses the start of an epoch with transactions to follow: then a snapshot is sent.
    """
    committed = [each for each in storage.transactions() if each.zxid <= tree.last_zxid]
    newest_zxid = committed[-1].zxid if committed else storage.base_zxid
    led_in_vain = counter_of(last_zxid) == 0
    if last_zxid == tree.last_zxid:
        return SyncBegin(DIFF, last_zxid, None, ())
    if last_zxid > newest_zxid and not led_in_vain:
        return SyncBegin(TRUNC, newest_zxid, None, ())
    if last_zxid < storage.base_zxid:
        return SyncBegin(SNAP, tree.last_zxid, tree.snapshot(), ())
    lacking = tuple(each for each in committed if each.zxid > last_zxid)
    common_zxid = _last_at_or_below(committed, last_zxid, storage.base_zxid)
    if common_zxid == last_zxid or led_in_vain:
        return SyncBegin(DIFF, newest_zxid, None, lacking)
    if epoch_of(lacking[0].zxid) != epoch_of(last_zxid):
        return SyncBegin(SNAP, tree.last_zxid, tree.snapshot(), ())
    return SyncBegin(TRUNC, common_zxid, None, lacking)


def _last_at_or_below(committed: list[Transaction], zxid: int, base_zxid: int) -> int:
    for each in reversed(committed):
        if each.zxid <= zxid:
            return int(each.zxid)
    return base_zxid
