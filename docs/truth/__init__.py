"""What the features recover from simulated retinas whose truth is known: docs/truth.md."""

from truth import chance, direction, fields, polarity, time_course

CLAIMS = {
    polarity.CLAIM: polarity.draw,
    fields.CENTRE: fields.draw_centre,
    fields.SIZE: fields.draw_size,
    time_course.CLAIM: time_course.draw,
    direction.CLAIM: direction.draw,
    chance.CLAIM: chance.draw,
}
"""All claims, in the order of the page, and what draws each."""
