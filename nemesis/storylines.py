"""Storylines: short stories of faults in company, each the shape of a whole class of failures.

Free episodes reach what one or two independent faults can reach. What follows needs a story: somebody falls behind,
then the one who knows more dies; a request is under way while the one it speaks of becomes another. Each storyline is
drawn anew: whom it strikes, how (a crash, a power cut, a cut of the network), and all of its times. None knows of any
bug.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fencepost.nemesis.faults import Fault, Trigger
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

Storyline = Callable[[Draws, Rhythm, str, int], list[Fault]]
Target = Mapping[str, Any]

ACTIVE: Target = {"role": "active-controller"}
HERE: Target = {"role": "here"}


def leader_of(partition: str) -> Target:
    """The partition's leader."""
    return {"role": "leader", "partition": partition}


def follower_of(partition: str) -> Target:
    """Any one of the partition's followers."""
    return {"role": "follower", "partition": partition}


def struck(name: str) -> Target:
    """The node that the fault of that name struck."""
    return {"role": "struck", "name": name}


def successive_leaders(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A follower falls behind for a moment; then one leader after the other goes, faster than all can catch up."""
    faults = []
    if draws.chance(2, 3):
        duration_us = draws.between(rhythm.fetch_timeout_us // 4, rhythm.session_timeout_us)
        faults.append(_away(draws, at_us, follower_of(partition), duration_us))
        at_us += draws.between(0, duration_us)
    for _ in range(draws.between(2, 3)):
        duration_us = draws.between(rhythm.session_timeout_us, rhythm.replica_lag_us * 2)
        faults.append(_gone(draws, at_us, leader_of(partition), duration_us))
        at_us += rhythm.session_timeout_us + draws.between(0, rhythm.session_timeout_us)
    return faults


def moved_leadership(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The leader is asked to go, or is cut from the controllers, and soon after both it and its heir are gone."""
    gap_us = draws.between(rhythm.fetch_timeout_us // 50, rhythm.fetch_timeout_us)
    long_us = draws.between(rhythm.session_timeout_us * 2, rhythm.replica_lag_us * 2)
    if draws.chance(1, 2):
        first = Fault("shutdown", long_us, at_us, None, leader_of(partition))
        return [first, *_at_point(draws, "broker.became-leader", at_us, HERE, long_us, gap_us)]
    name = f"first leader {at_us}"
    first = Fault("cut-roles", long_us, at_us, None, leader_of(partition), others=rhythm.quorum, name=name)
    dies_us = at_us + rhythm.session_timeout_us + draws.between(0, rhythm.session_timeout_us // 2)
    return [
        first, Fault("kill", long_us, dies_us, None, struck(name)),
        *_at_point(draws, "broker.became-leader", at_us, HERE, long_us, gap_us),
    ]


def request_under_way(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A leader asks for an ISR and is cut from the controllers; the replica it speaks of becomes another meanwhile; the
    request arrives late, and then the leader dies."""
    name = f"follower {at_us}"
    restart_us = draws.between(500, rhythm.fetch_timeout_us // 2)
    asked = Trigger("broker.isr-proposed", draws.between(1, 4), at_us + rhythm.fetch_timeout_us)
    cut_us = draws.between(rhythm.fetch_timeout_us, rhythm.session_timeout_us)
    dies_us = at_us + rhythm.session_timeout_us * 2 + draws.between(0, rhythm.replica_lag_us)
    return [
        Fault("power-loss", restart_us, at_us, None, follower_of(partition), name=name),
        Fault(draws.choice(("cut-roles", "cut-roles", "pause")), cut_us, None, asked, HERE, others=rhythm.quorum),
        Fault("power-loss", restart_us, None, asked, draws.choice((struck(name), follower_of(partition)))),
        _gone(draws, dies_us, leader_of(partition), rhythm.replica_lag_us),
    ]


def returning_follower(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A follower that fell out of the ISR catches up while the controllers hardly hear of it any more; as it is
    proposed, it loses power, and the proposal arrives only when it is back as another incarnation."""
    name = f"returning {at_us}"
    session_us = rhythm.session_timeout_us
    behind_us = rhythm.replica_lag_us * 3 // 2 + draws.between(0, rhythm.replica_lag_us // 2)
    silent_us = draws.between(session_us * 3 // 10, session_us * 8 // 10)
    back_us = at_us + behind_us
    asked = Trigger("broker.isr-proposed", draws.between(1, 3), back_us)
    restart_us = draws.between(500, rhythm.fetch_timeout_us // 2)
    faults = [
        Fault("cut-roles", behind_us, at_us, None, follower_of(partition), others="brokers", name=name),
        Fault("cut-roles", silent_us + restart_us, back_us - silent_us, None, struck(name), others=rhythm.quorum),
        Fault("cut-roles", draws.between(session_us * 3 // 10, session_us * 9 // 10), None, asked, HERE,
              others=rhythm.quorum),
        Fault("power-loss", restart_us, None, asked, struck(name)),
    ]
    if draws.chance(1, 2):
        faults.append(_gone(draws, back_us + session_us, leader_of(partition), rhythm.replica_lag_us))
    return faults


def slow_reboot(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A follower loses power, comes back about when its session runs out, cut from its peers; then the leader dies."""
    session_us = rhythm.session_timeout_us
    away_us = session_us + draws.between(-session_us // 10, session_us // 4)
    if draws.chance(1, 3):
        away_us = draws.between(500, session_us // 2)
    name = f"rebooted {at_us}"
    faults = [Fault("power-loss", away_us, at_us, None, follower_of(partition), name=name)]
    if draws.chance(1, 3):
        faults.append(_gone(draws, at_us + draws.between(1, away_us), ACTIVE, session_us))
    blocked_us = draws.between(session_us, rhythm.replica_lag_us)
    faults.append(Fault("cut-roles", blocked_us, at_us + away_us, None, struck(name), others="brokers"))
    dies_us = at_us + away_us + draws.between(0, blocked_us)
    for _ in range(draws.between(1, 2)):
        faults.append(_gone(draws, dies_us, leader_of(partition), rhythm.replica_lag_us))
        dies_us += draws.between(session_us, session_us * 2)
    return faults


def stale_follower(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A broker no longer hears of metadata and goes on as before, while leadership moves and moves again."""
    blind_us = draws.between(rhythm.session_timeout_us // 2, rhythm.replica_lag_us)
    blind = draws.choice((follower_of(partition), leader_of(partition)))
    faults = [Fault("cut-roles", blind_us, at_us, None, blind, others=rhythm.quorum)]
    for _ in range(draws.between(1, 3)):
        at_us += draws.between(rhythm.fetch_timeout_us // 10, rhythm.session_timeout_us)
        duration_us = draws.between(rhythm.fetch_timeout_us, rhythm.replica_lag_us)
        faults.append(_gone(draws, at_us, leader_of(partition), duration_us))
    return faults


def slow_learner(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A leader restarts and is given its leadership back, asks to go at once, and hears nothing of what comes of that;
    meanwhile another broker hears late of each change, one after the other, and believes for a while in each."""
    name = f"leader {at_us}"
    session_us = rhythm.session_timeout_us
    latency_us = draws.between(rhythm.fetch_timeout_us // 4, rhythm.fetch_timeout_us * 2 // 3)
    restart_us = draws.between(500, rhythm.fetch_timeout_us // 4)
    back_us = at_us + restart_us
    # News take the latency to come, and as long again until they are known to be committed, with all that is by then.
    goes_us = latency_us + draws.between(0, latency_us // 4)
    goes, unheard = (
        Trigger("broker.became-leader", 1, back_us + session_us * 2, delay_us, name)
        for delay_us in (goes_us, goes_us + draws.between(400, 4_000)))
    slow: Target = {"role": "follower", "partition": partition, "but": name}
    return [
        Fault("shutdown", restart_us, at_us, None, leader_of(partition), name=name),
        Fault("slow", rhythm.replica_lag_us * 3, back_us + session_us // 2, None, slow, others=rhythm.quorum,
              direction="in", latency_us=latency_us),
        Fault("shutdown", session_us * 3, None, goes, struck(name)),
        Fault("cut-roles", session_us * 2, None, unheard, struck(name), others=rhythm.quorum),
        *([_gone(draws, back_us + session_us * 4, leader_of(partition), session_us)] if draws.chance(1, 3) else []),
    ]


def lagging_metadata(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A follower's way to the controllers is slow: it lives, but learns late of what they decide, one change after the
    other. Meanwhile the leader is gone for as long as it takes to lose its place, and as it is taken back into the
    ISRs, its heir loses touch with the controllers, so that the place falls to it again."""
    session_us = rhythm.session_timeout_us
    gone_us = at_us + draws.between(0, session_us // 2)
    slow_us = gone_us - at_us + draws.between(session_us * 5 // 2, session_us * 4)
    kind = draws.choice(("kill", "kill", "power-loss", "isolate"))
    away_us = draws.between(session_us // 4 if kind != "isolate" else session_us, session_us * 5 // 4)
    returned = Trigger("broker.isr-committed", draws.between(1, 3), gone_us + session_us)
    return [
        Fault("slow", slow_us, at_us, None, follower_of(partition), others=rhythm.quorum,
              latency_us=draws.between(rhythm.fetch_timeout_us // 4, session_us // 5)),
        Fault(kind, away_us, gone_us, None, leader_of(partition)),
        Fault("cut-roles", draws.between(session_us * 2, session_us * 5), None, returned, HERE, others=rhythm.quorum),
    ]


def unsynced(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The power fails between a write and its fsync in the quorum, and the leader is lost at the same moment."""
    point = draws.choice((
        "raft.appended", "raft.appended", "raft.leader-appended", "raft.vote-granted", "raft.became-leader",
        "raft.became-candidate", "raft.high-watermark", "controller.appended"))
    trigger = Trigger(point, draws.between(1, 12), at_us)
    restart_us = draws.between(500, rhythm.fetch_timeout_us)
    faults = [Fault(draws.choice(("power-loss", "power-loss", "kill")), restart_us, None, trigger, HERE)]
    if draws.chance(3, 4):
        duration_us = draws.between(rhythm.fetch_timeout_us, rhythm.fetch_timeout_us * 5)
        faults.append(_away(draws, None, ACTIVE, duration_us, trigger))
    return faults


def contested_elections(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """Elections follow one another: each winner is struck as it wins and is back at once, while others still ask."""
    faults = [Fault(draws.choice(("kill", "power-loss", "shutdown")), draws.between(500, rhythm.fetch_timeout_us),
                    at_us, None, ACTIVE)]
    for _ in range(draws.between(1, 4)):
        trigger = Trigger(
            draws.weighted((("raft.became-leader", 3), ("raft.became-candidate", 1), ("raft.leader-appended", 2))),
            draws.between(1, 2), at_us)
        restart_us = draws.between(500, draws.choice((3_000, 20_000, rhythm.fetch_timeout_us)))
        kind = draws.choice(("kill", "power-loss", "isolate", "pause"))
        faults.append(Fault(kind, restart_us if kind in ("kill", "power-loss") else restart_us * 4, None, trigger,
        HERE))
        at_us += draws.between(rhythm.fetch_timeout_us // 2, rhythm.fetch_timeout_us * 2)
    return faults


def thin_majority(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """One voter is away, so that every commit hangs on the leader and one other; as they commit, that one loses power,
    the leader is cut off, and the two that are left must know everything."""
    name = f"away {at_us}"
    away_us = draws.between(rhythm.fetch_timeout_us // 4, rhythm.fetch_timeout_us)
    committed = Trigger("raft.high-watermark", draws.between(1, 4), at_us + away_us // 8)
    cut_us = draws.between(rhythm.fetch_timeout_us * 2, rhythm.fetch_timeout_us * 8)
    other = {"role": "standby-controller", "but": name}
    return [
        Fault(draws.choice(("pause", "isolate")), away_us, at_us, None, {"role": "standby-controller"}, name=name),
        Fault("power-loss", draws.between(500, rhythm.fetch_timeout_us), None, committed, other),
        Fault("isolate", cut_us, None, committed, HERE),
    ]


def three_leaders(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A leader is cut off with entries that nobody else has, its successor is cut off as it wins, the first one wins
    again, is cut off when it commits, and the second one comes back (figure 8 of the Raft paper)."""
    timeout_us = rhythm.fetch_timeout_us
    first_us = draws.between(timeout_us * 2, timeout_us * 4)
    second_us = draws.between(first_us, first_us + timeout_us * 6)
    wins = Trigger("raft.became-leader", 1, at_us)
    commits = Trigger("raft.high-watermark", 1, at_us + timeout_us // 2)
    return [
        Fault("isolate", first_us, at_us, None, ACTIVE),
        Fault("isolate", second_us, None, wins, HERE),
        Fault("isolate", draws.between(timeout_us * 4, timeout_us * 10), None, commits, HERE),
    ]


def split_vote(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The quorum's leader dies and is back at once, which sends all its followers into an election. A candidate's way
    to it is cut for a moment; it gives its vote to another one, loses power and is back before the election is over,
    and nobody hears of the winner yet."""
    name = f"voter {at_us}"
    brief_us = rhythm.fetch_timeout_us // 10
    stands = Trigger("raft.became-candidate", draws.weighted(((1, 3), (2, 1))), at_us)
    votes = Trigger("raft.vote-granted", draws.weighted(((1, 3), (2, 1))), at_us)
    wins = Trigger("raft.became-leader", 1, at_us)
    return [
        Fault("kill", draws.between(500, brief_us // 2), at_us, None, ACTIVE, name=name),
        Fault("link", draws.between(brief_us // 4, brief_us * 3), None, stands, HERE, struck(name)),
        Fault("power-loss", draws.between(500, brief_us), None, votes, HERE),
        Fault("isolate", draws.between(brief_us * 2, brief_us * 10), None, wins, HERE),
    ]


def forgetful_winner(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The quorum's leader is paused just long enough for an election. One of the two that stand is heard late;
    the other one wins, loses power as it wins, and is back while the first one still asks."""
    timeout_us = rhythm.fetch_timeout_us
    heard_us = draws.between(timeout_us // 20, timeout_us // 5)
    away_us = heard_us + timeout_us * draws.between(80, 98) // 100
    wins = Trigger("raft.became-leader", 1, at_us)
    return [
        Fault("slow", timeout_us * 3, at_us, None, {"role": "standby-controller"}, others="controllers",
              direction="out", latency_us=heard_us),
        Fault("pause", away_us, at_us, None, ACTIVE),
        Fault("power-loss", draws.between(200, heard_us // 2), None, wins, HERE),
    ]


def deaf_leader(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """Nothing reaches a leader any more, though it can still send."""
    target = draws.choice((ACTIVE, ACTIVE, leader_of(partition)))
    duration_us = draws.between(rhythm.fetch_timeout_us * 2, rhythm.fetch_timeout_us * 8)
    return [Fault("one-way", duration_us, at_us, None, target, direction="in")]


def last_replica_standing(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The followers fall away one after the other until the ISR is the leader alone; then the leader goes."""
    faults = []
    for _ in range(2):
        duration_us = draws.between(rhythm.replica_lag_us, rhythm.replica_lag_us * 2)
        faults.append(_away(draws, at_us, follower_of(partition), duration_us))
        at_us += draws.between(0, rhythm.session_timeout_us)
    at_us += draws.between(rhythm.session_timeout_us, rhythm.replica_lag_us)
    faults.append(_gone(draws, at_us, leader_of(partition), rhythm.session_timeout_us))
    return faults


def zombie_consumer(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A consumer sleeps past its session, its coordinator may move, and it wakes up with its old assignment."""
    session_us = rhythm.client_session_us
    faults = [Fault("pause", draws.between(session_us // 2, session_us * 2), at_us, None, {"role": "client"})]
    if draws.chance(1, 3):
        faults.append(_gone(draws, at_us + draws.between(0, session_us), leader_of(partition), session_us))
    return faults


STORYLINES: tuple[Storyline, ...] = (
    successive_leaders, moved_leadership, request_under_way, returning_follower, slow_reboot, stale_follower,
    slow_learner, lagging_metadata, unsynced, thin_majority, contested_elections, three_leaders, split_vote,
    forgetful_winner, deaf_leader, last_replica_standing, zombie_consumer,
)


def _gone(draws: Draws, at_us: int, target: Target, duration_us: int) -> Fault:
    """The target no longer takes part: it dies, loses power, freezes or is cut off."""
    kind = draws.weighted((("kill", 3), ("power-loss", 3), ("isolate", 2), ("pause", 1), ("shutdown", 1)))
    return Fault(kind, duration_us, at_us, None, target)


def _away(
    draws: Draws, at_us: int | None, target: Target, duration_us: int, trigger: Trigger | None = None
) -> Fault:
    """The target is out of touch, but lives."""
    kind = draws.weighted((("isolate", 3), ("cut-roles", 2), ("pause", 2)))
    return Fault(kind, duration_us, at_us, trigger, target, others="brokers" if kind == "cut-roles" else None)


def _at_point(
    draws: Draws, point: str, from_us: int, target: Target, duration_us: int, gap_us: int
) -> list[Fault]:
    """One strike as a point is passed, on the first or second time after `from_us + gap_us`."""
    kind = draws.choice(("kill", "power-loss"))
    return [Fault(kind, duration_us, None, Trigger(point, draws.between(1, 2), from_us + gap_us), target)]
