"""All topics, in the order of the page."""

from faults.calls import CALLS
from faults.damage import DAMAGE
from faults.hostile.topic import HOSTILE
from faults.interruptions import INTERRUPTIONS
from faults.kills import KILLS
from faults.limits import LIMITS_MET
from faults.power_losses import POWER_LOSSES
from faults.reprocessing import REPROCESSING
from faults.safe_points import SAFE_POINTS
from faults.several import SEVERAL

TOPICS = {
    topic.name: topic
    for topic in (
        CALLS,
        KILLS,
        LIMITS_MET,
        INTERRUPTIONS,
        SAFE_POINTS,
        REPROCESSING,
        POWER_LOSSES,
        DAMAGE,
        HOSTILE,
        SEVERAL,
    )
}
