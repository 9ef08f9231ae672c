"""A real voter behind the steps: node 1 is a controller, and voters 2 and 3 are played by the test."""

import selectors
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from kio.records.readers import read_batch
from metadata_records import MetadataSchemas
from played_voters import PlayedVoter
from quorum_steps import (
    ELECTED,
    NODE,
    PREPARATION,
    AskVote,
    Begin,
    End,
    FetchLog,
    LogView,
    QuorumAnswer,
    QuorumStanding,
    QuorumStep,
    Serve,
    leader_and_epoch,
)
from real_controller import METADATA_TOPIC_ID, PROPERTIES, error_name
from real_kafka import CLUSTER_ID, artifacts, free_ports, node
from wire import Connection, schema

_PATIENCE_S = 30.0
_TOPIC = "__cluster_metadata"
_FAR = 1 << 40
_HOUR_MS = "3600000"
#: The metadata of a release in which controllers do not register themselves, which they do when they like.
_RELEASE = ("--release-version", "3.6")
#: How a step may name the cluster.
OTHER_CLUSTER_ID = "b3RoZXItY2x1c3Rlci0hIQ"


@contextmanager
def real_quorum(version: str) -> Iterator["RealQuorum"]:
    """Start a voter of that version, with two others that the test plays; it ends with the block."""
    ports = dict(zip((1, 2, 3), free_ports(3), strict=True))
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in ports.items())
    properties = {
        **PROPERTIES, "node.id": "1", "controller.quorum.voters": voters,
        "listeners": f"CONTROLLER://127.0.0.1:{ports[NODE]}", "metadata.max.idle.interval.ms": "0",
        "controller.quorum.election.timeout.ms": _HOUR_MS, "controller.quorum.fetch.timeout.ms": _HOUR_MS,
        "controller.quorum.election.backoff.max.ms": _HOUR_MS, "controller.quorum.request.timeout.ms": _HOUR_MS,
    }
    with (
        selectors.DefaultSelector() as selector, node(version, properties, ports[NODE], _RELEASE),
        Connection(ports[NODE]) as connection,
    ):
        peers = {number: PlayedVoter(ports[number], selector) for number in (2, 3)}
        try:
            quorum = RealQuorum(connection, selector, peers)
            quorum.await_own_records(MetadataSchemas(artifacts(version)))
            yield quorum
        finally:
            for peer in peers.values():
                peer.close()


class RealQuorum:
    """Does the steps, and waits until the node stands as the model's does, or patience ends."""

    def __init__(
        self, connection: Connection, selector: selectors.BaseSelector, peers: dict[int, PlayedVoter],
    ) -> None:
        self._connection = connection
        self._selector = selector
        self._peers = peers
        self._base = QuorumStanding(-1, 0, 0, 0)
        self._view = LogView(-1, 0, 0, 0)

    def await_own_records(self, schemas: MetadataSchemas) -> None:
        """A controller that leads for the first time writes a transaction of its own."""
        for step in ELECTED[:2]:
            self._do(step, NODE if isinstance(step, End) else None)
        end = last_epoch = 0
        deadline_s, written = time.monotonic() + _PATIENCE_S, False
        while not written or self.standing().high_watermark != end:
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"Kafka's controller is not active after {_PATIENCE_S} s")
            for batch in _batches(self._fetched(2, self._view.epoch, end, last_epoch)):
                end, last_epoch = batch.base_offset + batch.last_offset_delta + 1, batch.partition_leader_epoch
                written = written or (not batch.attributes & 0x20 and any(
                    schemas.decode(record.value)[0] == "EndTransactionRecord" for record in batch.records))

    def start_afresh(self) -> None:
        """The preparation, from wherever the node is."""
        self._base = QuorumStanding(-1, 0, 0, 0)
        for step in PREPARATION:
            self._do(step, NODE if isinstance(step, End) else None)
        while (standing := self.standing()).high_watermark != standing.end:
            self._fetched(2, self._view.epoch, self._view.end, self._view.last_epoch)
        self._base = standing

    def _do(self, step: QuorumStep, leader: int | None) -> None:
        """Do a step, and wait until that one leads, if it matters."""
        self.ask(step)
        deadline_s = time.monotonic() + _PATIENCE_S
        while leader not in (None, self._view.leader):
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{step}: {leader} does not lead after {_PATIENCE_S} s")
            self._serve_peers()
            self.standing()

    def ask(self, step: QuorumStep) -> QuorumAnswer:
        """Do a step."""
        self.standing()
        answer: QuorumAnswer = getattr(self, f"_{type(step).__name__.lower()}")(step)
        return answer

    def standing(self, expected: QuorumStanding | None = None) -> QuorumStanding:
        """How the node stands, once that is as expected or patience has ended."""
        deadline_s = time.monotonic() + _PATIENCE_S
        now = self._standing()
        while expected not in (None, now) and time.monotonic() < deadline_s:
            self._serve_peers()
            now = self._standing()
        return now

    def _serve_peers(self) -> None:
        """The voters answer what they are asked; a fetch that blocks its connection is answered from a past epoch,
        which says nothing."""
        for peer in self._peers.values():
            peer.answer_fetch(0, -1)
        self.listen()

    def listen(self) -> None:
        """Take what the node sends."""
        for key, _ in self._selector.select(0.01):
            key.data(key.fileobj)

    # --- how the node stands ----------------------------------------------------------------------------------------

    def _standing(self) -> QuorumStanding:
        told = self._fetched(-1, -1, 0, 0).current_leader
        leader, epoch = told.leader_id, told.leader_epoch
        found = self._fetched(-1, epoch, _FAR, epoch)
        base = self._base
        if found.error_code.value:
            self._view = self._view._replace(leader=leader, epoch=epoch)
            return QuorumStanding(leader, epoch - base.epoch)
        last_epoch, end = found.diverging_epoch.epoch, found.diverging_epoch.end_offset
        self._view = LogView(leader, epoch, last_epoch, end)
        if last_epoch < epoch:
            return QuorumStanding(-1, epoch - base.epoch)
        return QuorumStanding(leader, epoch - base.epoch, end - (base.end or 0), self._offset(found.high_watermark))

    def _offset(self, offset: int) -> int | None:
        return None if offset < 0 else offset - (self._base.end or 0)

    def _fetched(self, replica: int, epoch: int, offset: int, last_epoch: int) -> Any:
        api = schema("fetch", 13)
        partition = api.FetchPartition(
            partition=0, current_leader_epoch=epoch, fetch_offset=offset, last_fetched_epoch=last_epoch,
            log_start_offset=0, partition_max_bytes=1 << 20)
        response = self._connection.ask(api.FetchRequest(
            cluster_id=CLUSTER_ID, replica_id=replica, max_wait=timedelta(0), min_bytes=0,
            topics=(api.FetchTopic(topic_id=METADATA_TOPIC_ID, partitions=(partition,)),), forgotten_topics_data=()))
        assert not response.error_code.value, f"the fetch is refused: {response.error_code.name}"
        return response.responses[0].partitions[0]

    # --- steps ------------------------------------------------------------------------------------------------------

    def _answer(self, response: Any, *facts: str) -> QuorumAnswer:
        """error of the request or its partition, else leader, epoch and those facts."""
        if error_name(response.error_code):
            return QuorumAnswer(error_name(response.error_code))
        found = response.topics[0].partitions[0]
        if error_name(found.error_code):
            return QuorumAnswer(error_name(found.error_code))
        return QuorumAnswer(None, (
            ("leader", found.leader_id), ("epoch", found.leader_epoch - self._base.epoch),
            *((fact.removeprefix("vote_"), getattr(found, fact)) for fact in facts)))

    def _askvote(self, step: AskVote, cluster_id: str = CLUSTER_ID) -> QuorumAnswer:
        api, view = schema("vote", step.version), self._view
        told: dict[str, Any] = {}
        if step.version > 0:
            told = {"replica_directory_id": uuid.UUID(int=step.candidate), "voter_directory_id": None}
        if step.version > 1:
            told["pre_vote"] = step.pre_vote
        partition = api.PartitionData(
            partition_index=0, replica_epoch=view.epoch + step.epoch, replica_id=step.candidate,
            last_offset_epoch=view.last_epoch + step.last_epoch, last_offset=view.end + step.end, **told)
        receiver = {"voter_id": NODE if step.to_right_voter else 3} if step.version > 0 else {}
        topic = api.TopicData(topic_name=_TOPIC, partitions=(partition,))
        return self._answer(self._connection.ask(api.VoteRequest(
            cluster_id=cluster_id, topics=(topic,), **receiver)), "vote_granted")

    def ask_of_other_cluster(self, step: AskVote) -> QuorumAnswer:
        """The same, by a voter of another cluster."""
        self.standing()
        return self._askvote(step, OTHER_CLUSTER_ID)

    def _begin(self, step: Begin) -> QuorumAnswer:
        api = schema("begin_quorum_epoch", 1)
        leader, epoch = leader_and_epoch(step, self._view)
        partition = api.PartitionData(
            partition_index=0, voter_directory_id=None, leader_id=leader, leader_epoch=epoch)
        endpoint = api.LeaderEndpoint(name="CONTROLLER", host="127.0.0.1", port=self._peers[leader].port)
        return self._answer(self._connection.ask(api.BeginQuorumEpochRequest(
            cluster_id=CLUSTER_ID, voter_id=NODE if step.to_right_voter else 3, leader_endpoints=(endpoint,),
            topics=(api.TopicData(topic_name=_TOPIC, partitions=(partition,)),))))

    def _end(self, step: End) -> QuorumAnswer:
        api = schema("end_quorum_epoch", 1)
        leader, epoch = leader_and_epoch(step, self._view)
        for number, peer in self._peers.items():
            peer.promises.make(number, step, epoch)
        candidates = tuple(api.ReplicaInfo(candidate_id=one, candidate_directory_id=None) for one in step.successors)
        partition = api.PartitionData(
            partition_index=0, leader_id=leader, leader_epoch=epoch, preferred_candidates=candidates)
        endpoint = api.LeaderEndpoint(name="CONTROLLER", host="127.0.0.1", port=self._peers[leader].port)
        return self._answer(self._connection.ask(api.EndQuorumEpochRequest(
            cluster_id=CLUSTER_ID, leader_endpoints=(endpoint,),
            topics=(api.TopicData(topic_name=_TOPIC, partitions=(partition,)),))))

    def _fetchlog(self, step: FetchLog) -> QuorumAnswer:
        view, base = self._view, self._base
        found = self._fetched(
            step.replica, view.epoch + step.epoch, view.end + step.offset, view.last_epoch + step.last_epoch)
        if error_name(found.error_code):
            return QuorumAnswer(error_name(found.error_code))
        told, diverging, end = found.current_leader, found.diverging_epoch, base.end or 0
        return QuorumAnswer(None, (
            ("leader", told.leader_id), ("epoch", told.leader_epoch - base.epoch),
            ("high watermark", self._offset(found.high_watermark)),
            ("diverging", (diverging.epoch - base.epoch, diverging.end_offset - end) if diverging.epoch >= 0 else None),
            ("batches", tuple((batch.base_offset - end, batch.partition_leader_epoch - base.epoch)
                              for batch in _batches(found)))))

    def _serve(self, _: Serve) -> QuorumAnswer:
        """A fetch that was sent before the node followed this leader is of no use to it any more, so that the one that
        waits is dismissed, and the next one answered; when another comes, the answer has been taken in."""
        peer = self._peers.get(self._view.leader)
        if peer is not None:
            self._await_fetch(peer)
            peer.answer_fetch(0, -1)
            self._await_fetch(peer)
            peer.answer_fetch(self._view.epoch, self._view.leader)
            self._await_fetch(peer)
        return QuorumAnswer()

    def _await_fetch(self, peer: PlayedVoter) -> None:
        deadline_s = time.monotonic() + _PATIENCE_S
        while peer.fetch is None:
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"Kafka does not fetch from its leader for {_PATIENCE_S} s")
            for other in self._peers.values():
                if other is not peer:
                    other.answer_fetch(0, -1)
            self.listen()


def _batches(found: Any) -> list[Any]:
    content, at, batches = found.records or b"", 0, []
    while at < len(content):
        batch, size = read_batch(content, at)
        batches.append(batch)
        at += size
    return batches
