"""Network faults that cut links, each for as long as it lasts."""

from collections.abc import Sequence
from typing import Any, ClassVar

from fencepost.nemesis.cluster import Cluster
from fencepost.nemesis.kinds.kind import Kind, Link, Strike, kind, servers
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws


class LinkKind(Kind):
    """Does something to directed links; a subclass says which, and what."""

    plane = "network"
    heal_rank = 0

    def links(self, strike: Strike) -> list[Link]:
        """The links that the fault touches; none when nobody fits."""
        raise NotImplementedError

    def strike(self, strike: Strike) -> None:
        """Begin on each link."""
        links = strike.links = self.links(strike)
        if not links:
            strike.skip("no link fits the target")
            return
        nodes = [strike.node] if strike.node is not None else sorted({end for link in links for end in link})
        strike.record(nodes, links)
        self.begin(strike)

    def begin(self, strike: Strike) -> None:
        """Cut every link."""
        for source, destination in strike.links:
            strike.cluster.cut(source, destination)

    def undo(self, strike: Strike) -> None:
        """Mend every link."""
        for source, destination in strike.links:
            strike.cluster.uncut(source, destination)


class OthersKind(LinkKind):
    """Concerns the links between the target and `others`, both ways or in one `direction`."""

    needs: ClassVar[tuple[str, ...]] = ("others",)

    def links(self, strike: Strike) -> list[Link]:
        """See `LinkKind`."""
        fault = strike.fault
        others = nodes_of(strike.cluster, str(fault.others))
        return around(strike.target, others, fault.direction != "out", fault.direction != "in")

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"others": draws.choice((rhythm.quorum, "brokers", "clients"))}


@kind
class Isolate(LinkKind):
    """All links of the target are cut, both ways.

    Stands for: a host's network interface or its switch port fails.
    """

    name = "isolate"
    may = ("remains",)

    def links(self, strike: Strike) -> list[Link]:
        """See `LinkKind`."""
        return around(strike.target, everyone(strike.cluster), True, True)


@kind
class OneWay(LinkKind):
    """Links towards the target (`direction` in) or from it (out) are cut. Simulated connections have no handshake, so
    what a target that hears nothing sends still gets there, over new ones: its session lives on, unlike with TCP.

    Stands for: an asymmetric route, a firewall rule.
    """

    name = "one-way"
    needs = ("direction",)

    def links(self, strike: Strike) -> list[Link]:
        """See `LinkKind`."""
        inward = strike.fault.direction == "in"
        return around(strike.target, everyone(strike.cluster), inward, not inward)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"direction": draws.choice(("in", "out"))}


@kind
class CutRoles(OthersKind):
    """Links between the target and `others` (a kind of node) are cut.

    Stands for: a rack's uplink fails.
    """

    name = "cut-roles"
    may = ("direction",)


@kind
class CutLink(LinkKind):
    """The links between `target` and `other` are cut, both ways.

    Stands for: one bad cable.
    """

    name = "link"
    needs = ("other",)

    def links(self, strike: Strike) -> list[Link]:
        """See `LinkKind`."""
        other = strike.resolve(strike.fault.other)
        return [] if other is None or other == strike.node else [(strike.target, other), (other, strike.target)]

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"other": {"role": draws.choice(("active-controller", "broker"))}}


@kind
class Slow(OthersKind):
    """Links between the target and `others` take `latency_us` longer, both ways or in one `direction`.

    Stands for: a full uplink.
    """

    name = "slow"
    needs = ("others", "latency_us")
    may = ("direction",)

    def begin(self, strike: Strike) -> None:
        """Slow every link down."""
        for source, destination in strike.links:
            strike.cluster.slow_down(source, destination, strike.fault.latency_us or 0)

    def undo(self, strike: Strike) -> None:
        """Make every link as quick as it was."""
        for source, destination in strike.links:
            strike.cluster.slow_down(source, destination, -(strike.fault.latency_us or 0))

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        latency_us = draws.between(1_000, rhythm.session_timeout_us // 2)
        return {**super().drawn(draws, rhythm), "latency_us": latency_us}


class EveryoneKind(LinkKind):
    """Strikes all servers; a target is drawn for it all the same, and not looked at."""

    has_target = False
    ignores = ("target",)


@kind
class Halves(EveryoneKind):
    """The Kafka nodes (and ZooKeeper servers) fall into two halves, drawn.

    Stands for: a switch between racks fails.
    """

    name = "halves"

    def links(self, strike: Strike) -> list[Link]:
        """See `LinkKind`."""
        return _halves(strike.draws.shuffled(servers(strike.cluster)))


@kind
class MajoritiesRing(EveryoneKind):
    """Every node sees its nearest neighbours on a ring and nobody else, no two see the same: with itself a majority of
    4, 5, 8 or 9 servers, and one less than that of 6, 7, 10 or 11.

    Stands for: a network with broken routing.
    """

    name = "majorities-ring"
    milder = "halves"

    def links(self, strike: Strike) -> list[Link]:
        """Each node keeps its links to the nearest ones on a ring, as many on either side as a quarter of all is."""
        nodes = strike.draws.shuffled(servers(strike.cluster))
        count = len(nodes)
        reach = max(1, count // 4)
        return [
            (nodes[one], nodes[two])
            for one in range(count) for two in range(count)
            if one != two and min((one - two) % count, (two - one) % count) > reach
        ]


@kind
class Bridge(LinkKind):
    """Two halves that only the target can talk to both of.

    Stands for: a switch between racks fails, with one well-connected host.
    """

    name = "bridge"

    def links(self, strike: Strike) -> list[Link]:
        """See `LinkKind`."""
        return _halves(strike.draws.shuffled([other for other in servers(strike.cluster) if other != strike.node]))


def everyone(cluster: Cluster) -> list[int]:
    """Servers and clients."""
    return [*servers(cluster), *cluster.client_ids]


def nodes_of(cluster: Cluster, others: str) -> Sequence[int]:
    """The nodes of one kind; the brokers control where there are no controllers."""
    return {
        "controllers": cluster.controllers or cluster.brokers, "brokers": cluster.brokers,
        "clients": cluster.client_ids, "zookeepers": cluster.zookeepers}[others]


def around(node: int, others: Sequence[int], inward: bool, outward: bool) -> list[Link]:
    """The links between a node and others, in one direction or both."""
    links: list[Link] = []
    for other in others:
        if other != node:
            if inward:
                links.append((other, node))
            if outward:
                links.append((node, other))
    return links


def _halves(nodes: Sequence[int]) -> list[Link]:
    middle = len(nodes) // 2
    return [link for one in nodes[:middle] for two in nodes[middle:] for link in ((one, two), (two, one))]
