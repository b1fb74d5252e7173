"""All that is claimed, in the order of the page; one module for what belongs together."""

from truth.claims import chance, direction, fields, polarity, real, time_course

CLAIMS = (
    polarity.CLAIM,
    fields.CENTRE,
    fields.SIZE,
    time_course.CLAIM,
    direction.CLAIM,
    chance.CLAIM,
    real.CLAIM,
)
