"""What the features recover from simulated retinas whose truth is known: docs/truth.md.

`retina` is the model, `operating_point` says what it is set to, `claims` what is claimed of the
features, `samples` what the claims are judged by, `page` writes it down.
"""
