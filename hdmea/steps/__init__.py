"""The steps: each declared as data around one function of session and parameters.

They know the session and the pure rooms (stimulus, kernels, features), never HDF5 nor the mode.
"""
