"""All topics, in the order of the page."""

from benchmarks.batch import BATCH
from benchmarks.features import FEATURES
from benchmarks.memory import MEMORY
from benchmarks.modes import MODES_TOPIC
from benchmarks.session import SESSION
from benchmarks.sorting import SORTING
from benchmarks.sta import STA
from benchmarks.start import START

TOPICS = {
    topic.name: topic
    for topic in (STA, SESSION, MEMORY, SORTING, FEATURES, START, MODES_TOPIC, BATCH)
}
