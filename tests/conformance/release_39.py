"""What Kafka 3.9 does otherwise than 4.0, which the model follows: classes over its guard methods."""

from fencepost.model.bugs.catalogue import all_bugs
from fencepost.model.controller.cluster_control import ClusterControl
from fencepost.model.metadata.image import BrokerRegistration
from fencepost.model.protocol.controller import BrokerRegistrationRequest


class FencedMayBeReplaced(ClusterControl):
    """A fenced broker has no session that another incarnation would have to wait for (BrokerHeartbeatManager of 3.9;
    4.0 tracks the sessions of fenced brokers, too)."""

    def is_duplicate_registration(
        self, request: BrokerRegistrationRequest, existing: BrokerRegistration, now_us: int
    ) -> bool:
        """Only of an unfenced broker."""
        return not existing.fenced and super().is_duplicate_registration(request, existing, now_us)


#: The release that is held against the model.
VERSION = "3.9.1"
#: KAFKA-18106 is mended in 4.0.
PATCHES: tuple[type, ...] = (FencedMayBeReplaced, *all_bugs()["KAFKA-18106"].patches)
