"""All topics, in the order of the page."""

from benchmarks.session import SESSION

TOPICS = {topic.name: topic for topic in (SESSION,)}
