"""The ZooKeeper-mode controller: the race, fail-over, zombies, and what follows from brokers and topics."""

from zk_brokers import ZkWorld

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller import znodes

# --- the race ---------------------------------------------------------------------------------------------------------


def test_the_first_broker_wins_epoch_one_and_the_others_know_it():
    world = ZkWorld()
    assert world.active == [1]
    assert int(world.tree.data(znodes.CONTROLLER_EPOCH)) == 1
    assert [world[i].controller.active_controller_id for i in (1, 2, 3)] == [1, 1, 1]


def test_of_two_that_race_at_once_one_wins_and_epochs_are_won_once():
    world = ZkWorld(start=False)
    for broker_id in (1, 2, 3):
        world[broker_id].start()
    world.settle()
    assert len(world.active) == 1
    assert int(world.tree.data(znodes.CONTROLLER_EPOCH)) == 1
    claims = world.observed("controller-claimed")
    assert [event.node for event in claims] == world.active


def test_the_next_controller_has_the_next_epoch_and_reads_what_the_last_one_wrote():
    world = ZkWorld()
    world.create_topic((1, 2, 3), (2, 3, 1))
    world.crash(1)
    assert world.active in ([2], [3])
    assert int(world.tree.data(znodes.CONTROLLER_EPOCH)) == 2
    assert world.state().leader == 2
    assert world.state().isr == (2, 3)
    assert world.state().controller_epoch == 2


def test_a_victory_whose_news_got_lost_is_recognised():
    world = ZkWorld(2)
    world[2].pause()
    world[1].session.losing_answers = True
    world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))
    world.settle()
    assert world[1].session.losing_answers is False
    assert world.active == [1]
    assert int(world.tree.data(znodes.CONTROLLER_EPOCH)) == 2


# --- zombies ----------------------------------------------------------------------------------------------------------


def test_a_controller_paused_past_its_session_resigns_once_it_learns_and_registers_anew():
    world = ZkWorld()
    world.create_topic((1, 2, 3))
    epoch = world[1].registrar.broker_epoch
    world[1].pause()
    world.expire(1)
    world.settle()
    assert world.active[-1] in (2, 3)
    assert world.state().leader == 2
    world[1].resume()
    world.settle()
    assert 1 not in world.active
    assert world[1].registrar.broker_epoch > epoch
    assert world.observed("controller-renounced", 1)


def test_what_a_zombie_has_queued_for_brokers_is_refused_by_its_epoch():
    world = ZkWorld()
    world.create_topic((1, 2, 3))
    world.network.links.cut(1, 3)
    world.tree.operate(zk.SetDataOp(znodes.broker_path(2), world.tree.data(znodes.broker_path(2))))
    world.settle()
    world.expire(1, told=False)
    world.settle()
    assert world.active[-1] == 2
    world.network.heal()
    world.settle(40_000_000)
    assert {error for error, _ in world[3].refused} == {"STALE_CONTROLLER_EPOCH"}


def test_a_zombie_whose_controller_znode_vanished_cannot_write_and_resigns():
    world = ZkWorld()
    world.create_topic((1, 2, 3))
    world[1].controller.slow_down(100_000)
    world[2].controller.slow_down(0)
    world.tree.operate(zk.CreateOp(znodes.topic_path("late"), znodes.TopicZnode("late@1", ((0, (1, 2)),))))
    world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))
    world.settle()
    assert 1 not in world.active
    assert world.state("late").controller_epoch == 2
    writers = [
        event.node for event in world.observed("metadata-write") if (event.epochs or {})["controller_epoch"] == 1
        and any(record[1].get("topic_id") == "late@1" for record in event.value["records"])]
    assert writers == []


def test_an_expiry_does_not_interrupt_the_event_under_way():
    world = ZkWorld()
    world.create_topic((1, 2, 3))
    world.tree.operate(zk.CreateOp(znodes.topic_path("late"), znodes.TopicZnode("late@1", ((0, (1, 2)),))))
    world.settle(1_000)
    assert world[1].controller.parts.events.size == 1
    world.expire(1)
    world.settle(10_000_000)
    assert len(world.active) == 1
    assert world.state("late").controller_epoch == 2


# --- brokers ----------------------------------------------------------------------------------------------------------


def test_a_dead_brokers_leaderships_move_and_it_leaves_the_isrs():
    world = ZkWorld()
    world.create_topic((2, 3, 1), (3, 2, 1))
    world.crash(2)
    assert (world.state().leader, world.state().isr) == (3, (3, 1))
    assert (world.state(partition=1).leader, world.state(partition=1).isr) == (3, (3, 1))
    assert world[3].roles()[-1].leader == 3
    assert world[1].metadata()[-1].leader == 3


def test_the_last_isr_member_stays_and_leads_again_when_it_is_back():
    world = ZkWorld()
    world.create_topic((2,))
    world.crash(2)
    assert (world.state().leader, world.state().isr) == (-1, (2,))
    world[2].start()
    world.settle()
    assert (world.state().leader, world.state().isr) == (2, (2,))
    assert world[2].roles()[-1].leader_epoch == world.state().leader_epoch


def test_a_bounce_that_was_never_seen_as_a_death_is_a_failure_and_a_start_up():
    world = ZkWorld()
    world.create_topic((2, 3, 1))
    world[1].controller.slow_down(500_000)
    before = world.state()
    session_id = world[2].session.session_id
    world[2].kill()
    world.tree.close(session_id)
    world[2].start()
    world.settle(5_000_000)
    assert world.state().leader == 3
    assert world.state().leader_epoch > before.leader_epoch
    assert world.state().isr == (3, 1)
    assert any(event.value["bounced"] == [2] for event in world.observed("broker-list"))
    assert world[2].roles()[-1].leader == 3


def test_requests_carry_the_epoch_of_the_incarnation_that_the_controller_knows():
    world = ZkWorld()
    world.create_topic((2, 3))
    assert {request.broker_epoch for request in world[2].told} == {world[2].registrar.broker_epoch}
    assert not world[2].refused


def test_a_broker_that_restarts_before_its_old_session_is_over_ends_again():
    world = ZkWorld()
    session_id = world[2].session.session_id
    world[2].kill()
    world[2].start()
    world.settle()
    assert not world[2].running
    world.tree.close(session_id)
    world[2].start()
    world.settle()
    assert world[2].running
    assert world.tree.nodes[znodes.broker_path(2)][4] == world[2].session.session_id


# --- controlled shutdown ----------------------------------------------------------------------------------------------


def test_controlled_shutdown_moves_leaderships_and_takes_the_broker_out_of_the_isrs():
    world = ZkWorld()
    world.create_topic((2, 3, 1), (3, 2, 1), (2,))
    answer = world.controlled_shutdown(2)
    assert answer.error is None
    assert answer.remaining == ()
    assert (world.state().leader, world.state().isr) == (3, (3, 1))
    assert world.state(partition=1).isr == (3, 1)
    assert world.state(partition=2).leader == 2


def test_controlled_shutdown_names_what_the_broker_still_leads():
    world = ZkWorld()
    world.create_topic((2, 3))
    world.crash(3)
    assert world.controlled_shutdown(2).remaining == (("orders", 0),)


def test_controlled_shutdown_of_an_old_or_unknown_incarnation_is_refused():
    world = ZkWorld()
    assert world.controlled_shutdown(2, 0).error == "STALE_BROKER_EPOCH"
    world.crash(3)
    assert world.controlled_shutdown(3).error == "UNKNOWN_SERVER_ERROR"


# --- elections --------------------------------------------------------------------------------------------------------


def test_preferred_election_gives_the_leadership_back():
    world = ZkWorld()
    world.create_topic((2, 3))
    world.crash(2)
    world[2].start()
    world.settle()
    assert world.state().leader == 3
    wanted = {"topic": "orders", "partition": 0, "election_type": "preferred"}
    assert world.admin("elect_leader", **wanted).error == "PREFERRED_LEADER_NOT_AVAILABLE"
    assert world.alter_partition(3, 2).error is None
    assert world.admin("elect_leader", **wanted).error is None
    assert world.state().leader == 2
    assert world.admin("elect_leader", **wanted).error == "ELECTION_NOT_NEEDED"


def test_an_unclean_election_happens_only_when_asked_for_or_allowed():
    world = ZkWorld()
    world.create_topic((2, 3))
    assert world.alter_partition(2).error is None
    world.crash(2)
    assert world.state().leader == -1
    wanted = {"topic": "orders", "partition": 0, "election_type": "unclean"}
    assert world.admin("elect_leader", **wanted).error is None
    assert (world.state().leader, world.state().isr) == (3, (3,))
    assert world.state().leader_recovery_state == "RECOVERING"


def test_a_topic_that_allows_unclean_elections_elects_at_once():
    world = ZkWorld()
    config = znodes.ConfigZnode((("unclean.leader.election.enable", "true"),))
    world.tree.operate(zk.CreateOp(znodes.config_path("topic", "orders"), config))
    world.create_topic((2, 3))
    assert world.alter_partition(2).error is None
    world.crash(2)
    assert world.state().leader == 3


# --- topics -----------------------------------------------------------------------------------------------------------


def test_new_partitions_of_a_topic_get_leaders():
    world = ZkWorld()
    world.create_topic((1, 2))
    znode = znodes.TopicZnode("orders@1", ((0, (1, 2)), (1, (2, 3))))
    world.tree.operate(zk.SetDataOp(znodes.topic_path("orders"), znode))
    world.settle()
    assert world.state(partition=1).leader == 2
    assert world[3].roles(partition=1)[-1].is_new


def test_a_deleted_topic_leaves_nothing_behind():
    world = ZkWorld()
    world.create_topic((1, 2), (2, 3))
    world.tree.operate(zk.CreateOp(znodes.delete_topic_path("orders"), None))
    world.settle()
    assert not [path for path in world.tree.nodes if "orders" in path]
    assert [stop.delete_partition for stop in world[2].stops()].count(True) == 2
    assert world[3].metadata(partition=1)[-1].leader == -2
    world.create_topic((3, 1))
    assert world.state().leader == 3


def test_a_deletion_waits_for_a_dead_replica():
    world = ZkWorld()
    world.create_topic((1, 2))
    world.crash(2)
    world.tree.operate(zk.CreateOp(znodes.delete_topic_path("orders"), None))
    world.settle()
    assert world.tree.exists(znodes.topic_path("orders"))
    world[2].start()
    world.settle()
    assert not world.tree.exists(znodes.topic_path("orders"))


def test_a_deletion_of_an_unknown_topic_is_taken_back():
    world = ZkWorld()
    world.tree.operate(zk.CreateOp(znodes.delete_topic_path("ghost"), None))
    world.settle()
    assert not world.tree.exists(znodes.delete_topic_path("ghost"))


def test_the_next_controller_goes_on_with_a_deletion():
    world = ZkWorld()
    world.create_topic((2, 3))
    world[2].refuses_deletions = True
    world.tree.operate(zk.CreateOp(znodes.delete_topic_path("orders"), None))
    world.settle()
    assert world.tree.exists(znodes.topic_path("orders"))
    world[2].refuses_deletions = False
    world.crash(1)
    assert not world.tree.exists(znodes.topic_path("orders"))


# --- reassignment -----------------------------------------------------------------------------------------------------


def test_a_reassignment_ends_when_the_target_is_in_the_isr():
    world = ZkWorld(4)
    world.create_topic((1, 2))
    assert world.admin("reassign", topic="orders", partition=0, replicas=[3, 4]).error is None
    znode = world.tree.data(znodes.topic_path("orders"))
    assert znode.replicas == ((0, (3, 4, 1, 2)),)
    assert (znode.adding, znode.removing) == (((0, (3, 4)),), ((0, (1, 2)),))
    assert world[3].roles()[-1].replicas == (3, 4, 1, 2)
    assert world.alter_partition(1, 2, 3, 4).error is None
    assert world.tree.data(znodes.topic_path("orders")) == znodes.TopicZnode("orders@1", ((0, (3, 4)),))
    assert world.state().leader == 3
    assert world.state().isr == (3, 4)
    assert world[1].stops()[-1].delete_partition


def test_a_reassignment_can_be_taken_back():
    world = ZkWorld()
    world.create_topic((1, 2))
    assert world.admin("reassign", topic="orders", partition=0, replicas=[1, 3]).error is None
    assert world.admin("reassign", topic="orders", partition=0, replicas=None).error is None
    assert world.tree.data(znodes.topic_path("orders")) == znodes.TopicZnode("orders@1", ((0, (1, 2)),))
    assert world.admin("reassign", topic="orders", partition=0, replicas=None).error == "NO_REASSIGNMENT_IN_PROGRESS"


def test_a_reassignment_survives_its_controller():
    world = ZkWorld(4)
    world.create_topic((2, 3))
    assert world.admin("reassign", topic="orders", partition=0, replicas=[2, 4]).error is None
    world.crash(1)
    assert world.alter_partition(2, 3, 4).error is None
    assert world.tree.data(znodes.topic_path("orders")).replicas == ((0, (2, 4)),)


# --- ISRs -------------------------------------------------------------------------------------------------------------


def test_alter_partition_checks_in_order():
    world = ZkWorld()
    world.create_topic((2, 3, 1))
    epoch = world.state().leader_epoch
    assert world.alter_partition(2, 3, broker_epoch=0).error == "STALE_BROKER_EPOCH"
    assert world.alter_partition(2, 3, topic_id="orders@9").error == "UNKNOWN_TOPIC_ID"
    assert world.alter_partition(2, 3, partition=7).error == "UNKNOWN_TOPIC_OR_PARTITION"
    assert world.alter_partition(2, 3, leader_epoch=epoch + 1).error == "NOT_CONTROLLER"
    assert world.alter_partition(2, 3, partition_epoch=99).error == "NOT_CONTROLLER"
    assert world.alter_partition(2, 3, leader_epoch=epoch - 1).error == "FENCED_LEADER_EPOCH"
    assert world.alter_partition(2, 3).error is None
    assert world.alter_partition(2, 3, partition_epoch=0).error is None
    assert world.alter_partition(2, 1, partition_epoch=0).error == "INVALID_UPDATE_VERSION"
    assert world.alter_partition(2, 3, leader_recovery_state="RECOVERING").error == "INVALID_REQUEST"
    world.controlled_shutdown(3)
    assert world.alter_partition(2, 3).error == "INELIGIBLE_REPLICA"
    assert world.ask(3, world.alter_partition_request(2)).error == "NOT_CONTROLLER"


def test_an_alter_partition_whose_first_attempt_was_lost_succeeds():
    world = ZkWorld()
    world.create_topic((2, 3))
    world[1].session.losing_answers = True
    answer = world.alter_partition(2)
    assert (answer.error, answer.isr, answer.partition_epoch) == (None, (2,), world.version())


def test_a_notified_isr_change_is_read_and_told():
    world = ZkWorld()
    world.create_topic((2, 3))
    state = world.state()._replace(isr=(2,))
    world.tree.operate(zk.SetDataOp(znodes.state_path("orders", 0), state, 0))
    notification = znodes.IsrChangeZnode((("orders", 0),))
    world.tree.operate(zk.CreateOp(f"{znodes.ISR_CHANGES}/isr_change_", notification, sequential=True))
    world.settle()
    assert world[1].metadata()[-1].isr == (2,)
    assert world.tree.children(znodes.ISR_CHANGES) == ()
