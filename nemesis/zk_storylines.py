"""Storylines of ZooKeeper mode: sessions that run out unnoticed, brokers that come back under a new one, and a
controller that goes on because nothing tells it that it is none."""

from fencepost.nemesis.faults import Fault, Trigger
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.storylines import (
    ACTIVE,
    HERE,
    Storyline,
    deaf_leader,
    follower_of,
    last_replica_standing,
    leader_of,
    moved_leadership,
    request_under_way,
    returning_follower,
    slow_reboot,
    stale_follower,
    struck,
    successive_leaders,
    zombie_consumer,
)
from fencepost.nemesis.targets import Draws


def zombie_controller(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The active controller sleeps past its session, or is cut from the ensemble alone, with work in its queue; another
    one wins, and it comes back."""
    session_us = rhythm.session_timeout_us
    away_us = session_us + draws.between(session_us // 4, session_us * 2)
    name = f"zombie {at_us}"
    faults = []
    if draws.chance(2, 3):
        delay_us = draws.between(rhythm.fetch_timeout_us // 4, session_us // 2)
        faults.append(Fault("slow-controller", away_us * 2, at_us, None, ACTIVE, delay_us=delay_us))
    at_us += draws.between(0, rhythm.fetch_timeout_us)
    kind = draws.weighted((("cut-roles", 3), ("pause", 2), ("expire-session", 1)))
    faults.append(Fault(kind, away_us, at_us, None, ACTIVE, others=rhythm.quorum, name=name))
    for _ in range(draws.between(0, 2)):
        at_us += draws.between(rhythm.fetch_timeout_us, session_us)
        faults.append(_struck_broker(draws, rhythm, partition, at_us))
    return faults


def zombie_orders(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A broker does not hear the active controller, whose orders to it pile up; then the controller is cut from the
    ensemble alone, and another one wins. The old one does not know yet when the broker hears it again."""
    session_us = rhythm.session_timeout_us
    unheard_us = session_us * 2 + draws.between(session_us // 5, session_us)
    cut_us = session_us * 5 // 2 + draws.between(0, session_us)
    deaf = draws.choice((follower_of(partition), leader_of(partition), {"role": "standby-controller"}))
    faults = [
        Fault("link", unheard_us, at_us, None, deaf, other=ACTIVE),
        Fault("cut-roles", cut_us, at_us + draws.between(session_us * 3 // 10, session_us), None, ACTIVE,
              others=rhythm.quorum),
    ]
    if draws.chance(1, 3):
        faults.append(_struck_broker(draws, rhythm, partition, at_us + draws.between(0, session_us * 3)))
    return faults


def unseen_bounce(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A broker loses power; its session runs out and it registers again while the controller is too slow to look; soon
    after, others of its partitions go."""
    session_us = rhythm.session_timeout_us
    name = f"bounced {at_us}"
    slow_us = session_us * 3
    delay_us = draws.between(session_us // 2, session_us * 2)
    target = draws.choice((follower_of(partition), follower_of(partition), leader_of(partition)))
    faults = [
        Fault("slow-controller", slow_us, at_us, None, ACTIVE, delay_us=delay_us),
        Fault("power-loss", draws.between(500, session_us), at_us + draws.between(0, session_us // 4), None, target,
              name=name),
    ]
    if draws.chance(2, 3):
        faults.append(Fault("cut-roles", session_us * 2, at_us + session_us, None, struck(name), others="brokers"))
    dies_us = at_us + slow_us + draws.between(0, session_us)
    faults.append(Fault(draws.choice(("kill", "isolate", "shutdown")), session_us * 2, dies_us, None,
                        leader_of(partition)))
    return faults


def quick_restart(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A broker crashes and is back before its session has run out, perhaps again and again."""
    faults = []
    for _ in range(draws.between(1, 3)):
        target = draws.choice((leader_of(partition), follower_of(partition), ACTIVE))
        restart_us = draws.between(500, rhythm.session_timeout_us // 2)
        faults.append(Fault(draws.choice(("kill", "power-loss")), restart_us, at_us, None, target))
        at_us += draws.between(rhythm.session_timeout_us // 2, rhythm.session_timeout_us * 2)
    return faults


def lost_sessions(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """Sessions end, one after the other, under brokers that live."""
    faults = []
    for _ in range(draws.between(1, 4)):
        target = draws.choice((ACTIVE, leader_of(partition), follower_of(partition)))
        faults.append(Fault("expire-session", 0, at_us, None, target))
        at_us += draws.between(500, rhythm.session_timeout_us)
    return faults


def late_orders(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """A broker does not hear the controller for a while, and what is sent to it waits; meanwhile the broker, or the
    controller, becomes another."""
    session_us = rhythm.session_timeout_us
    name = f"unheard {at_us}"
    cut_us = draws.between(session_us, session_us * 2)
    faults = [Fault("link", cut_us, at_us, None, follower_of(partition), other=ACTIVE, name=name)]
    at_us += draws.between(0, rhythm.fetch_timeout_us)
    faults.append(_struck_broker(draws, rhythm, partition, at_us))
    second = draws.choice((ACTIVE, struck(name)))
    kind = draws.choice(("power-loss", "expire-session", "pause", "cut-roles"))
    faults.append(Fault(kind, draws.between(500, session_us * 2), at_us + draws.between(0, session_us), None, second,
                        others=rhythm.quorum))
    return faults


def lost_answers(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """The ensemble's leader dies as something is committed, or the way to it is cut: answers are lost, not writes."""
    point = draws.choice(("zookeeper.committed", "zookeeper.committed", "zookeeper.proposed"))
    trigger = Trigger(point, draws.between(1, 60), at_us)
    kind = draws.choice(("kill", "power-loss", "isolate", "pause"))
    return [Fault(kind, draws.between(rhythm.fetch_timeout_us, rhythm.session_timeout_us), None, trigger, HERE)]


def deleted_controller(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """An operator deletes /controller as another broker comes back, or an ISR is to change, and the one in office has
    that still in its queue: another one wins at once, and the old one, whose session lives, finds out too late."""
    session_us = rhythm.session_timeout_us
    delay_us = draws.between(rhythm.fetch_timeout_us // 4, session_us // 5)
    deposed, back = f"deposed {at_us}", f"back {at_us}"
    away_us = session_us * 4 // 3 + draws.between(0, session_us)
    if draws.chance(1, 4):
        away_us = draws.between(500, session_us)
    later_us = draws.between(0, delay_us)
    point = draws.choice((
        "broker.registered", "broker.registered", "broker.registered", "broker.isr-proposed", "broker.isr-proposed",
        "controller.alter-partition", "controller.appended"))
    moment = Trigger(point, draws.between(1, 2), at_us + 1_000, later_us)
    if point == "broker.registered":
        moment = Trigger(point, 1, at_us + 1_000, later_us, back)
    faults = [
        Fault("slow-controller", session_us * 4, at_us, None, ACTIVE, delay_us=delay_us, name=deposed),
        Fault(draws.choice(("kill", "power-loss", "shutdown")), away_us, at_us + draws.between(0, delay_us), None,
              {"role": "broker", "but": deposed}, name=back),
        Fault("delete-controller", 0, None, moment),
    ]
    if draws.chance(1, 3):
        faults.append(Fault("delete-controller", 0, at_us + draws.between(0, session_us * 3)))
    return faults


def deletion_unheard(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """As a topic is deleted, a broker loses touch with the controller, which is then cut from the ensemble alone: its
    successor deletes the topic, somebody creates it anew, and the old order to delete is still under way."""
    session_us = rhythm.session_timeout_us
    begins, later = (
        Trigger("controller.topic-deletion", 1, at_us, delay_us)
        for delay_us in (0, draws.between(session_us * 3 // 10, session_us)))
    unheard_us = session_us * 2 + draws.between(session_us // 5, session_us)
    return [
        Fault("link", unheard_us, None, begins, {"role": "standby-controller"}, other=HERE),
        Fault("cut-roles", session_us * 5 // 2 + draws.between(0, session_us), None, later, HERE,
              others=rhythm.quorum),
    ]


def half_synchronised(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> list[Fault]:
    """Both followers of the ensemble's leader die as it proposes something. One is back, which makes the leader one
    again; before it is told to serve both are struck, and the leader is the last to come back."""
    name, other, old = f"learner {at_us}", f"other {at_us}", f"old leader {at_us}"
    fetch_us, session_us = rhythm.fetch_timeout_us, rhythm.session_timeout_us
    proposed = Trigger("zookeeper.proposed", draws.between(1, 30), at_us)
    leads = Trigger("zookeeper.leading", 1, at_us)
    away_us = draws.between(fetch_us, session_us)
    gone = draws.choice(("kill", "power-loss"))
    last_us = away_us + session_us + draws.between(0, session_us * 2)
    return [
        Fault("kill", away_us, None, proposed, {"role": "zookeeper-follower"}, name=name),
        Fault(gone, away_us + session_us, None, proposed, {"role": "zookeeper-follower", "but": name}, name=other),
        Fault(draws.choice(("kill", "power-loss")), last_us, None, leads, HERE, name=old),
        Fault("power-loss", draws.between(500, fetch_us), None, leads, struck(name)),
    ]


def _struck_broker(draws: Draws, rhythm: Rhythm, partition: str, at_us: int) -> Fault:
    target = draws.choice((leader_of(partition), follower_of(partition)))
    kind = draws.choice(("kill", "power-loss", "expire-session", "shutdown"))
    return Fault(kind, draws.between(500, rhythm.session_timeout_us), at_us, None, target)


ZK_STORYLINES: tuple[Storyline, ...] = (
    zombie_controller, zombie_orders, zombie_orders, unseen_bounce, quick_restart, lost_sessions, late_orders,
    lost_answers, deleted_controller, deleted_controller, deletion_unheard, half_synchronised, successive_leaders,
    moved_leadership, request_under_way, returning_follower, slow_reboot, stale_follower, deaf_leader,
    last_replica_standing, zombie_consumer,
)
