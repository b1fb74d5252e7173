"""All that is claimed, in the order of the page; one module for what belongs together."""

from truth.claims import (
    bar_response,
    chance,
    direction,
    few_selective,
    fields,
    frequency,
    inclusion,
    null_pixels,
    polarity,
    quality_index,
    real,
    responses,
    time_course,
)

CLAIMS = (
    polarity.CLAIM,
    responses.CLAIM,
    bar_response.CLAIM,
    fields.CENTRE,
    fields.SIZE,
    time_course.CLAIM,
    direction.CLAIM,
    chance.CLAIM,
    few_selective.CLAIM,
    null_pixels.CLAIM,
    frequency.CLAIM,
    quality_index.CLAIM,
    inclusion.CLAIM,
    real.CLAIM,
)
